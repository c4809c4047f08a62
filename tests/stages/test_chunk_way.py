"""One chunk's way through flow, sample and decode, in-process and without Ray."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from small_chunks import HEIGHT, WIDTH, chunk_of, moving_texture, small_model, way

import models.vae
from models.canvas import fit_canvas
from models.folder import ModelFolder
from models.unet import DenoisingUNet
from models.vae import TemporalVAE
from stages.decode import finishing
from stages.decode.config import DecodeConfig
from stages.decode.decoding import Decoding
from stages.decode.stage import DecodeStage
from stages.device import device_name, prepare_device
from stages.flow.config import FlowConfig
from stages.flow.estimating import Estimating
from stages.flow.stage import FlowStage
from stages.items import ChunkTask
from stages.media.frames import read_frames
from stages.sample.config import SampleConfig
from stages.sample.stage import SampleStage
from stages.setting import ModelSetting

FRAMES = 7
SMALL = SampleConfig(steps=2, start=0.3)


@pytest.fixture(scope="module")
def setting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelSetting]:
    before = torch.get_num_threads()
    yield ModelSetting(model=small_model(tmp_path_factory.mktemp("model")), threads=1)
    torch.set_num_threads(before)


@pytest.mark.parametrize("frames", [1, 2, 7])
def test_every_frame_arrives_at_four_times_the_size(tmp_path: Path, setting: ModelSetting, frames: int) -> None:
    output = way(tmp_path, setting, moving_texture(frames), SMALL, DecodeConfig(window_frames=4, window_overlap=1))
    head = list(read_frames(output / "head.mkv")) if frames > 1 else []
    core = list(read_frames(output / "segment.mkv"))
    assert (len(head), len(core)) == (min(2, frames // 2), frames - min(2, frames // 2))
    assert all(frame.shape == (4 * HEIGHT, 4 * WIDTH, 3) for frame in head + core)
    assert not (output / "tail.mkv").exists()


def test_the_same_chunk_gives_the_same_bytes_whatever_the_memory(tmp_path: Path, setting: ModelSetting) -> None:
    frames = moving_texture(FRAMES)
    lean = SMALL.model_copy(update={"estimate_memory": 1e-9})
    first = way(tmp_path / "a", setting, frames, SMALL, DecodeConfig())
    second = way(tmp_path / "b", setting, frames, lean, DecodeConfig())
    assert SampleStage(SMALL, setting).parameters == SampleStage(lean, setting).parameters
    for file in ("sample/estimate.mkv", "sample/latents.safetensors", "decode/head.mkv", "decode/segment.mkv"):
        assert (first.parent / file).read_bytes() == (second.parent / file).read_bytes()


def test_tiles_of_the_autoencoder_leave_no_trace(
    tmp_path: Path, setting: ModelSetting, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[str] = []
    for name in ("encode_tiled", "decode_tiled"):
        original = getattr(models.vae, name)
        monkeypatch.setattr(models.vae, name, lambda *given, n=name, f=original: used.append(n) or f(*given))
    frames = moving_texture(2)
    whole = way(tmp_path / "whole", setting, frames, SMALL, DecodeConfig())
    assert not used
    tiled = way(tmp_path / "tiled", setting, frames, SMALL.model_copy(update={"encode_tile": 8}), DecodeConfig(tile=8))
    assert set(used) == {"encode_tiled", "decode_tiled"}
    latents = [load_file(folder.parent / "sample" / "latents.safetensors")["latents"] for folder in (whole, tiled)]
    assert torch.allclose(*latents, atol=1e-4)
    for file in ("head.mkv", "segment.mkv"):
        for one, other in zip(read_frames(whole / file), read_frames(tiled / file), strict=True):
            assert abs(one - other).max() < 0.005


def test_a_canvas_that_does_not_fit_in_memory_is_encoded_and_decoded_in_tiles(
    tmp_path: Path, setting: ModelSetting, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = moving_texture(2)
    tiled = way(tmp_path / "tiled", setting, frames, SMALL.model_copy(update={"encode_tile": 8}), DecodeConfig(tile=8))
    for name, position in (("encode", 1), ("decode", 4)):
        original = getattr(TemporalVAE, name)

        def limited(vae: TemporalVAE, *given: Any, f: Any = original, n: int = position, **more: Any) -> Any:
            tile = more.get("tile", given[n] if len(given) > n else None)
            if tile is None or tile > 8:
                raise torch.OutOfMemoryError("too much")
            return f(vae, *given, **more)

        monkeypatch.setattr(TemporalVAE, name, limited)
    for work in ("sample.sampling", "decode.decoding"):
        monkeypatch.setattr(f"stages.{work}.LEAST_TILE", 8)
    small = way(tmp_path / "small", setting, frames, SMALL, DecodeConfig())
    for file in ("sample/latents.safetensors", "decode/head.mkv", "decode/segment.mkv"):
        assert (tiled.parent / file).read_bytes() == (small.parent / file).read_bytes()


def test_a_video_too_large_for_the_memory_leaves_smaller_ones_alone_and_is_told(
    tmp_path: Path, setting: ModelSetting, monkeypatch: pytest.MonkeyPatch
) -> None:
    large, small = moving_texture(2), np.ascontiguousarray(moving_texture(2)[:, :, : WIDTH // 2])
    inputs = {"large": large, "small": small}
    folders = {
        name: way(tmp_path / name, setting, frames, SMALL, DecodeConfig()).parent for name, frames in inputs.items()
    }
    for name, factor in (("encode", 8), ("decode", 1)):
        original = getattr(TemporalVAE, name)

        def limited(vae: TemporalVAE, given: torch.Tensor, *rest: Any, f: Any = original, n: int = factor, **more: Any):
            tile = more["tile"] if "tile" in more else rest[0]
            if given.shape[-1] > 8 * n and tile > 8:
                raise torch.OutOfMemoryError("too much")
            return f(vae, given, *rest, **more)

        monkeypatch.setattr(TemporalVAE, name, limited)
    for work in ("sample.sampling", "decode.decoding"):
        monkeypatch.setattr(f"stages.{work}.LEAST_TILE", 8)
    for stage, size in (
        (SampleStage(SMALL, setting), "sample.encode_tile"),
        (DecodeStage(DecodeConfig(), setting), "decode.tile"),
    ):
        stage.setup()
        facts = {}
        for name in ("large", "large", "small"):
            output = tmp_path / f"{stage.name} of {name}, {len(facts)}"
            output.mkdir()
            given = {each: folders[name] / each for each in ("split", "flow", "sample")}
            facts[name] = stage.run(ChunkTask(chunk_of(2), given, output)).facts
        assert facts["large"]["reduced"] == f"{size}: 8" and "reduced" not in facts["small"]
        for file in (folders["small"] / stage.name).iterdir():
            assert (output / file.name).read_bytes() == file.read_bytes()


def test_a_batch_that_did_not_fit_is_not_tried_again_at_the_next_chunk(
    tmp_path: Path, setting: ModelSetting, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, sizes = DenoisingUNet.forward, []

    def limited(unet: DenoisingUNet, latents: torch.Tensor, *given: Any, **more: Any) -> torch.Tensor:
        sizes.append(len(latents) // 5)
        if len(latents) > 5:
            raise torch.OutOfMemoryError("too much")
        return original(unet, latents, *given, **more)

    monkeypatch.setattr(DenoisingUNet, "forward", limited)
    config = SMALL.model_copy(update={"steps": 1, "batch": 2, "initial_estimate": "bicubic"})
    way(tmp_path, setting, moving_texture(FRAMES), config, DecodeConfig())
    stage = SampleStage(config, setting)
    stage.setup()
    sizes.clear()
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        inputs = {folder: tmp_path / folder for folder in ("split", "flow")}
        stage.run(ChunkTask(chunk_of(FRAMES), inputs, tmp_path / name))
    assert sizes == [2, 1, 1, 1, 1]
    first, second = (tmp_path / name / "latents.safetensors" for name in ("first", "second"))
    assert first.read_bytes() == second.read_bytes()


def test_every_stage_says_on_what_kind_of_device_it_computed(
    tmp_path: Path, setting: ModelSetting, monkeypatch: pytest.MonkeyPatch
) -> None:
    way(tmp_path, setting, moving_texture(2), SMALL, DecodeConfig())
    stages = (
        FlowStage(FlowConfig(estimator="spynet"), setting),
        SampleStage(SMALL, setting),
        DecodeStage(DecodeConfig(), setting),
    )
    inputs = {name: tmp_path / name for name in ("split", "flow", "sample")}
    for stage in stages:
        output = tmp_path / "again" / stage.name
        output.mkdir(parents=True)
        stage.setup()
        facts = stage.run(ChunkTask(chunk_of(2), inputs, output)).facts
        assert (facts["device"], facts["torch"]) == ("cpu", torch.__version__) and facts["threads"] == setting.threads
    monkeypatch.setattr("torch.cuda.get_device_name", lambda device: f"NVIDIA {device.index}")
    assert device_name(torch.device("cuda", 1)) == "NVIDIA 1"


def test_opencvs_flow_is_computed_on_the_cpu_whatever_there_is(
    setting: ModelSetting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stages.network_work.prepare_device", lambda setting: (torch.device("meta"), torch.float32))
    assert Estimating(FlowConfig(estimator="dis"), setting).device.type == "cpu"


def test_another_seed_gives_other_latents(tmp_path: Path, setting: ModelSetting) -> None:
    way(tmp_path / "a", setting, moving_texture(2), SMALL, DecodeConfig())
    way(tmp_path / "b", setting.model_copy(update={"seed": 43}), moving_texture(2), SMALL, DecodeConfig())
    a, b = (load_file(tmp_path / name / "sample" / "latents.safetensors")["latents"] for name in "ab")
    assert not torch.equal(a, b)


def test_flow_follows_the_motion(tmp_path: Path, setting: ModelSetting) -> None:
    way(tmp_path, setting, moving_texture(FRAMES), SMALL, DecodeConfig())
    flow = load_file(tmp_path / "flow" / "flow.safetensors")
    assert flow["forward"].shape[:2] == (FRAMES - 1, 2)
    assert flow["forward_occlusion"].dtype == torch.uint8
    assert flow["forward_occlusion"].shape[1] == 1


@pytest.mark.parametrize("memory", ["less", "least"])
def test_a_canvas_decoded_in_tiles_is_the_same_picture(tmp_path: Path, setting: ModelSetting, memory: str) -> None:
    frames = moving_texture(4)
    whole = way(tmp_path / "a", setting, frames, SMALL, DecodeConfig())
    tiled = way(tmp_path / "b", setting, frames, SMALL, DecodeConfig(tile=8, tile_memory=memory))
    assert (whole.parent / "sample/latents.safetensors").read_bytes() == (
        tiled.parent / "sample/latents.safetensors"
    ).read_bytes()
    for one, other in zip(read_frames(whole / "segment.mkv"), read_frames(tiled / "segment.mkv"), strict=True):
        # Frames are written with 10 bits: a value at the edge of two levels may fall on either side.
        assert one.shape == other.shape and abs(one - other).max() < 3 / 1023 and abs(one - other).mean() < 1e-4


@pytest.mark.parametrize(("scale", "size"), [(1, (24, 32)), (2, (20, 28)), (4, (18, 26))])
def test_flicker_of_the_input_is_looked_for_at_the_size_it_came_in(
    setting: ModelSetting, scale: float, size: tuple[int, int]
) -> None:
    decoding = Decoding(DecodeConfig(), setting.model_copy(update={"scale": scale}))
    canvas = fit_canvas((HEIGHT, WIDTH), scale)
    assert decoding._small(np.zeros((HEIGHT, WIDTH, 3), np.float32), canvas).shape == (3, *size)


def test_the_size_of_latents_is_part_of_what_flow_is(setting: ModelSetting, tmp_path: Path) -> None:
    file = tmp_path / "vae" / "config.json"
    file.parent.mkdir()
    file.write_text(json.dumps({**ModelFolder(setting.model).config("vae"), "patch_size": 1}))
    finer = setting.model_copy(update={"model": tmp_path})
    assert FlowStage(FlowConfig(), setting).parameters != FlowStage(FlowConfig(), finer).parameters


def test_a_parameter_that_does_not_reach_a_stage_leaves_its_identity_alone(setting: ModelSetting) -> None:
    wavelet, adain = (DecodeStage(DecodeConfig(colour_fix=fix), setting) for fix in ("wavelet", "adain"))
    assert wavelet.parameters != adain.parameters
    seeded = setting.model_copy(update={"seed": 1})
    assert DecodeStage(DecodeConfig(), setting).parameters == DecodeStage(DecodeConfig(), seeded).parameters
    assert SampleStage(SMALL, setting).parameters != SampleStage(SMALL, seeded).parameters
    plain = setting.model_copy(update={"winograd": False})
    assert DecodeStage(DecodeConfig(), setting).parameters != DecodeStage(DecodeConfig(), plain).parameters
    assert SampleStage(SMALL, setting).parameters != SampleStage(SMALL, plain).parameters
    assert FlowStage(FlowConfig(), setting).parameters != FlowStage(FlowConfig(), plain).parameters
    half = setting.model_copy(update={"precision": "bfloat16"})
    assert "estimate_precision" not in SampleStage(SMALL, setting).parameters, "as before it was named"
    assert SampleStage(SMALL, half).parameters["estimate_precision"] == "bfloat16"
    assert SampleStage(SMALL, setting).weights_digest != FlowStage(FlowConfig(), setting).weights_digest


def test_a_stage_keeps_to_its_threads(setting: ModelSetting) -> None:
    for threads in (2, setting.threads):
        prepare_device(setting.model_copy(update={"threads": threads}))
        assert torch.get_num_threads() == cv2.getNumThreads() == threads


@pytest.mark.parametrize("name", ["back_projection", "back_projection_if_clean"])
def test_the_conservative_end_says_what_the_source_says(
    tmp_path: Path, setting: ModelSetting, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Networks as small as these leave no source that looks clean.
    monkeypatch.setattr(finishing, "cleanliness", lambda frame, source: torch.ones_like(source[:, :1]))
    figures = {}
    for weight in (0.0, 1.0):
        folder = tmp_path / f"{weight}"
        off = {"back_projection": 0.0, "back_projection_if_clean": 0.0}
        decode = DecodeConfig.model_validate({"colour_fix": "none", **off, name: weight})
        way(folder, setting, moving_texture(3), SMALL, decode)
        stage, chunk = DecodeStage(decode, setting), chunk_of(3)
        (folder / "again").mkdir()
        stage.setup()
        inputs = {name: folder / name for name in ("split", "flow", "sample")}
        figures[weight] = stage.run(ChunkTask(chunk, inputs, folder / "again")).facts
    assert float(figures[1.0]["downscale_db"]) > float(figures[0.0]["downscale_db"]) + 6
    assert figures[1.0]["width"] == 4 * WIDTH


@pytest.mark.parametrize(
    ("wishes", "size"), [({"scale": 1.0}, (HEIGHT, WIDTH)), ({"scale": 2.0}, (36, 52)), ({"height": 60}, (60, 86))]
)
def test_other_sizes(tmp_path: Path, setting: ModelSetting, wishes: dict[str, Any], size: tuple[int, int]) -> None:
    output = way(tmp_path, setting.model_copy(update=wishes), moving_texture(3), SMALL, DecodeConfig())
    assert {frame.shape[:2] for frame in read_frames(output / "segment.mkv")} == {size}
