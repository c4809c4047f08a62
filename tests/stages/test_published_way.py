"""What the published system does with segments and files, each point by its name (golden README, "Segments")."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from small_chunks import FIRST, VIDEO, chunk_of, moving_texture, run, small_model, split_folder, way
from torch import Tensor

import stages.sample.sampling
from models.canvas import fit_canvas
from models.colour_fix import adain
from models.noise import frame_noise
from stages.decode.config import DecodeConfig
from stages.flow.config import FlowConfig
from stages.flow.stage import FlowStage
from stages.media.frames import read_frames
from stages.sample.config import SampleConfig
from stages.sample.latents import load_pieces
from stages.sample.sampling import Sampling
from stages.sample.stage import SampleStage
from stages.setting import ModelSetting

PUBLISHED = {
    "initial_estimate": "bicubic",
    "sample_posterior": True,
    "steps": 2,
    "start": 1.0,
    "solver": "ddpm",
    "last_window": "repeat",
    "noise": "restarted",
    "guidance": {"form": "published", "scale": -10.0},
}
SAMPLE = SampleConfig.model_validate(PUBLISHED)
# Tiles of 48 in place of 960, 36 in place of 750: 4.5 latent pixels, so that flow is cropped at the wrong place, too.
TILED = SampleConfig.model_validate({**PUBLISHED, "pixel_tile": 48, "pixel_stride": 36})
DECODE = DecodeConfig(
    window_frames=5,
    window_overlap=0,
    last_window="repeat",
    colour_fix="adain",
    rounding="truncate8",
    temporal_filter=0.0,
)
PICTURES = [(0, 0), (0, 24), (36, 0), (36, 24), (56, 0), (56, 24)]
"""(left, top) of the pixel tiles of the small canvas, 104 x 72."""
FLOWS = {0: 0, 36: 4, 56: 7}
"""Left of a tile -> left of its flow in latent pixels; the middle one begins half a latent pixel too early."""


@pytest.fixture(scope="module")
def setting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelSetting]:
    before = torch.get_num_threads()
    yield ModelSetting(model=small_model(tmp_path_factory.mktemp("model")), threads=1)
    torch.set_num_threads(before)


def sampled(root: Path, setting: ModelSetting, pictures: np.ndarray, config: SampleConfig) -> Path:
    """Run flow and sample alone; returns sample's folder."""
    split_folder(root / "split", pictures, "bgr0")
    run(FlowStage(FlowConfig(estimator="dis"), setting), chunk_of(len(pictures)), root)
    return run(SampleStage(config, setting), chunk_of(len(pictures)), root)


def enlarged(pictures: np.ndarray) -> Tensor:
    frames = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255
    return fit_canvas(pictures.shape[1:3], 4, 8).enter(frames * 2 - 1)


def decoded_files(folder: Path) -> list[np.ndarray]:
    files = [folder / name for name in ("head.mkv", "segment.mkv")]
    return [frame for file in files if file.exists() for frame in read_frames(file)]


class Calls:
    """Stands in for ``sample_chunk``: keeps what it is given and returns the structure as it came."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.structures: list[Tensor] = []
        self.motions: list[Tensor] = []
        self.noises: list[Tensor] = []
        monkeypatch.setattr(stages.sample.sampling, "sample_chunk", self)

    def __call__(self, unet, encoder, schedule, structure, prompt, noise, settings, motion, *, batches):
        self.structures.append(structure)
        self.motions.append(motion.forward)
        self.noises.append(torch.stack([noise(frame, "start") for frame in range(len(structure))]))
        return structure


def test_the_posterior_is_sampled_not_its_mode_taken(
    tmp_path: Path, setting: ModelSetting, monkeypatch: pytest.MonkeyPatch
) -> None:
    Calls(monkeypatch)
    pictures = moving_texture(5)
    sample = Sampling(SAMPLE, setting)
    latents = load_file(sampled(tmp_path, setting, pictures, SAMPLE) / "latents.safetensors")["latents"]
    with torch.inference_mode():
        encoded = sample.vae.encode(enlarged(pictures)[3:4])
        eps = frame_noise(42, VIDEO, FIRST + 3, "posterior", latents.shape[1:])[None]
        assert torch.allclose(latents[3:4], encoded.sample(eps), atol=1e-5)
        assert not torch.allclose(latents[3:4], encoded.mode(), atol=1e-2)


def test_the_last_frame_is_repeated_each_repetition_with_noise_of_its_own(
    tmp_path: Path, setting: ModelSetting, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = Calls(monkeypatch)
    latents = load_file(sampled(tmp_path, setting, moving_texture(7), SAMPLE) / "latents.safetensors")["latents"]
    assert len(latents) == len(calls.noises[0]) == 10 and len(calls.motions[0]) == 9
    assert not calls.motions[0][6:].any()
    for first, second in ((6, 7), (7, 8), (8, 9)):
        assert not torch.allclose(latents[first], latents[second], atol=1e-2)


def test_the_result_of_the_last_repetition_is_the_last_frame(tmp_path: Path, setting: ModelSetting) -> None:
    folder = way(tmp_path, setting, moving_texture(7), SAMPLE, DECODE, "bgr0")
    latents = load_file(tmp_path / "sample" / "latents.safetensors")["latents"]
    expected = finished(setting, [((0, 0), latents[5:])], enlarged(moving_texture(7))[[5, 6, 6, 6, 6]])
    found = decoded_files(folder)
    assert len(found) == 7
    assert_8_bits(found[5], expected[0])
    assert_8_bits(found[6], expected[4])


def test_every_pixel_tile_is_sampled_by_itself_from_its_own_encoding(
    tmp_path: Path, setting: ModelSetting, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = Calls(monkeypatch)
    pictures = moving_texture(5)
    pieces = load_pieces(sampled(tmp_path, setting, pictures, TILED), 8)
    assert [(piece.tile.left, piece.tile.top) for piece in pieces] == PICTURES
    sample = Sampling(TILED, setting)
    with torch.inference_mode():
        for piece, structure in zip(pieces, calls.structures, strict=True):
            encoded = sample.vae.encode(piece.tile.crop(enlarged(pictures))[2:3])
            eps = frame_noise(42, VIDEO, 2, "posterior", structure.shape[1:])[None]
            assert torch.allclose(structure[2:3], encoded.sample(eps), atol=1e-5)


def test_flow_is_computed_on_the_canvas_and_then_cropped_at_the_published_places(
    tmp_path: Path, setting: ModelSetting, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = Calls(monkeypatch)
    sampled(tmp_path, setting, moving_texture(5), TILED)
    flow = load_file(tmp_path / "flow" / "flow.safetensors")["forward"]
    for (left, top), motion in zip(PICTURES, calls.motions, strict=True):
        x, y = FLOWS[left], top // 8
        assert torch.equal(motion, flow[..., y : y + 6, x : x + 6])


def test_noise_is_restarted_at_every_tile_so_all_tiles_and_windows_share_it(
    tmp_path: Path, setting: ModelSetting, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = Calls(monkeypatch)
    even = np.full_like(moving_texture(10), 90)
    pieces = load_pieces(sampled(tmp_path, setting, even, TILED), 8)
    assert all(torch.equal(piece.latents, pieces[0].latents) for piece in pieces)  # the posterior's noise
    assert all(torch.equal(noise, calls.noises[0]) for noise in calls.noises)
    assert torch.equal(calls.noises[0][:5], calls.noises[0][5:])
    assert not torch.equal(calls.noises[0][0], calls.noises[0][1])


def test_a_canvas_without_pixel_tiles_has_other_noise_in_every_window(
    tmp_path: Path, setting: ModelSetting, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = Calls(monkeypatch)
    large = SampleConfig.model_validate({**PUBLISHED, "pixel_tile": 960})
    sampled(tmp_path, setting, moving_texture(10), large)
    assert len(calls.noises) == 1 and not torch.equal(calls.noises[0][0], calls.noises[0][5])


def test_tiles_are_coloured_each_by_itself_averaged_clamped_and_cut_to_8_bits_in_this_order(
    tmp_path: Path, setting: ModelSetting
) -> None:
    pictures = moving_texture(5)
    folder = way(tmp_path, setting, pictures, TILED, DECODE, "bgr0")
    pieces = load_pieces(tmp_path / "sample", 8)
    parts = [((piece.tile.left, piece.tile.top), piece.latents) for piece in pieces]
    expected = finished(setting, parts, enlarged(pictures))
    found = decoded_files(folder)
    assert len(found) == 5
    for frame, image in zip(found, expected, strict=True):
        assert_8_bits(frame, image)


def test_flow_does_not_depend_on_pixel_tiles_and_decode_knows_them_from_the_latents(setting: ModelSetting) -> None:
    assert SampleStage(SAMPLE, setting).parameters != SampleStage(TILED, setting).parameters
    assert not [key for key in FlowStage(FlowConfig(), setting).parameters if "tile" in key]


@torch.inference_mode()
def finished(setting: ModelSetting, parts: list[tuple[tuple[int, int], Tensor]], images: Tensor) -> Tensor:
    """What decode should make of one window, [5, H, W, 3] in [0, 1], computed the long way."""
    sample = Sampling(SAMPLE, setting)
    total, count = torch.zeros_like(images), torch.zeros(images.shape[-2:])
    for (left, top), latents in parts:
        high, wide = (8 * side for side in latents.shape[-2:])
        place = (..., slice(top, top + high), slice(left, left + wide))
        z = latents / sample.vae.config.scaling_factor
        decoded = sample.vae.decode(z, sample.vae.encode(images[place]).features, 1.0, num_frames=5)
        total[place] += adain(decoded, images[place])
        count[place] += 1
    return ((total / count + 1) / 2).clamp(0, 1).permute(0, 2, 3, 1)


def assert_8_bits(found: np.ndarray, exact: Tensor) -> None:
    """``found``, read from 10 bits, holds the 8-bit codes of ``exact``, truncated."""
    codes = found * 255
    assert np.abs(codes - codes.round()).max() < 0.13  # half a step of 10 bits
    difference = codes.round() - np.floor(exact.numpy() * 255)
    assert (difference != 0).mean() < 1e-3 and np.abs(difference).max() <= 1  # a hair above or below a code
    assert (np.floor(exact.numpy() * 255) != (exact.numpy() * 255).round()).mean() > 0.2
