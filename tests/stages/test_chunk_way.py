"""One chunk's way through flow, sample and decode, in-process and without Ray."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

sys.path.insert(0, str(Path(__file__).parent.parent))
from model_folders import make_model_folder

from stages.contract import Result, Stage
from stages.decode.config import DecodeConfig
from stages.decode.stage import DecodeStage
from stages.flow.config import FlowConfig
from stages.flow.stage import FlowStage
from stages.items import Chunk, ChunkTask
from stages.media.colour import ColourTags, Matrix, Range
from stages.media.frames import LosslessWriter, read_frames
from stages.media.table import FrameTable, write_table
from stages.sample.config import SampleConfig
from stages.sample.stage import SampleStage
from stages.setting import ModelSetting

FRAMES, HEIGHT, WIDTH = 7, 18, 26
Way = Stage[ChunkTask, Result]


@pytest.fixture(scope="module")
def setting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelSetting]:
    before = torch.get_num_threads()
    yield ModelSetting(model=make_model_folder(tmp_path_factory.mktemp("model")), threads=1)
    torch.set_num_threads(before)


def split_folder(folder: Path, frames: int) -> Path:
    """A textured picture that moves one pixel a frame to the right, as split would have written it."""
    folder.mkdir(parents=True)
    table = FrameTable(
        first=10,
        time_base=Fraction(1, 25),
        pts=tuple(range(10, 10 + frames)),
        durations=(1,) * frames,
        width=WIDTH,
        height=HEIGHT,
        pix_fmt="yuv420p",
        rate=Fraction(25),
        colour=ColourTags(matrix=Matrix.BT470BG, range=Range.LIMITED),
    )
    write_table(folder, table)
    texture = np.random.default_rng(5).integers(40, 200, (HEIGHT, WIDTH + frames, 3), np.uint8)
    with LosslessWriter(folder / "frames.mkv", table) as writer:
        for shift in range(frames):
            view = np.ascontiguousarray(texture[:, frames - shift : frames - shift + WIDTH])
            writer.write(av.VideoFrame.from_ndarray(view, format="rgb24").reformat(format="yuv420p"))
    return folder


def way(tmp_path: Path, setting: ModelSetting, frames: int, sample: SampleConfig, decode: DecodeConfig) -> Path:
    """Run the three stages; returns decode's folder."""
    chunk = Chunk(
        video="0123456789abcdef", index=1, shot=0, start=10, stop=10 + frames, head=min(2, frames // 2), tail=0
    )
    folders = {"split": split_folder(tmp_path / "split", frames)}
    stages: list[Way] = [
        FlowStage(FlowConfig(estimator="dis"), setting),
        SampleStage(sample, setting),
        DecodeStage(decode, setting),
    ]
    for stage in stages:
        folders[stage.name] = tmp_path / stage.name
        folders[stage.name].mkdir()
        stage.setup()
        stage.run(ChunkTask(chunk, dict(folders), folders[stage.name]))
        stage.teardown()
    return folders["decode"]


SMALL = SampleConfig(steps=2, start=0.3)


@pytest.mark.parametrize("frames", [1, 2, 7])
def test_every_frame_arrives_at_four_times_the_size(tmp_path: Path, setting: ModelSetting, frames: int) -> None:
    output = way(tmp_path, setting, frames, SMALL, DecodeConfig(window_frames=4, window_overlap=1))
    head = list(read_frames(output / "head.mkv")) if frames > 1 else []
    core = list(read_frames(output / "segment.mkv"))
    assert (len(head), len(core)) == (min(2, frames // 2), frames - min(2, frames // 2))
    assert all(frame.shape == (4 * HEIGHT, 4 * WIDTH, 3) for frame in head + core)
    assert not (output / "tail.mkv").exists()


def test_the_same_chunk_gives_the_same_bytes(tmp_path: Path, setting: ModelSetting) -> None:
    first = way(tmp_path / "a", setting, FRAMES, SMALL, DecodeConfig())
    second = way(tmp_path / "b", setting, FRAMES, SMALL.model_copy(update={"batch": 1}), DecodeConfig())
    assert (first / "segment.mkv").read_bytes() == (second / "segment.mkv").read_bytes()


def test_another_seed_gives_other_latents(tmp_path: Path, setting: ModelSetting) -> None:
    way(tmp_path / "a", setting, 2, SMALL, DecodeConfig())
    way(tmp_path / "b", setting.model_copy(update={"seed": 43}), 2, SMALL, DecodeConfig())
    a, b = (load_file(tmp_path / name / "sample" / "latents.safetensors")["latents"] for name in "ab")
    assert not torch.equal(a, b)


def test_published_settings_run_through(tmp_path: Path, setting: ModelSetting) -> None:
    sample = SampleConfig.model_validate(
        {
            "initial_estimate": "bicubic",
            "sample_posterior": True,
            "steps": 2,
            "start": 1.0,
            "solver": "ddpm",
            "last_window": "repeat",
            "guidance": {"form": "published", "scale": -10.0},
        }
    )
    decode = DecodeConfig(
        window_frames=5, window_overlap=0, last_window="repeat", colour_fix="adain", rounding="truncate8"
    )
    published = setting.model_copy(update={"canvas": "published"})
    output = way(tmp_path, published, 6, sample, decode)
    assert not (tmp_path / "sample" / "estimate.mkv").exists()
    assert sum(1 for _ in read_frames(output / "segment.mkv")) == 4


def test_flow_follows_the_motion(tmp_path: Path, setting: ModelSetting) -> None:
    way(tmp_path, setting, FRAMES, SMALL, DecodeConfig())
    flow = load_file(tmp_path / "flow" / "flow.safetensors")
    assert flow["forward"].shape[:2] == (FRAMES - 1, 2)
    assert flow["forward_occlusion"].dtype == torch.uint8
    assert flow["forward_occlusion"].shape[1] == 1


def test_a_parameter_that_does_not_reach_a_stage_leaves_its_identity_alone(setting: ModelSetting) -> None:
    wavelet, adain = (DecodeStage(DecodeConfig(colour_fix=fix), setting) for fix in ("wavelet", "adain"))
    assert wavelet.parameters != adain.parameters
    seeded = setting.model_copy(update={"seed": 1})
    assert DecodeStage(DecodeConfig(), setting).parameters == DecodeStage(DecodeConfig(), seeded).parameters
    assert SampleStage(SMALL, setting).parameters != SampleStage(SMALL, seeded).parameters
    assert SampleStage(SMALL, setting).weights_digest != FlowStage(FlowConfig(), setting).weights_digest
