"""What decoded frames owe to their sources: where these are clean, where they are not."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from textured import source_of, target
from torch import Tensor

from stages.decode.config import DecodeConfig
from stages.decode.finishing import finished_frames


def write_still(folder: Path, frames: int) -> Path:
    """Optical flow of a picture that stands still."""
    flow = {way: torch.zeros(frames - 1, 2, 24, 32) for way in ("forward", "backward")}
    hidden = {f"{way}_occlusion": torch.zeros(frames - 1, 1, 24, 32) for way in flow}
    save_file(flow | hidden, folder / "flow.safetensors")
    return folder


def agreement(frame: Tensor, source: Tensor) -> float:
    return float((source_of(frame[None])[0] - source).square().mean())


def finished(frames: list[Tensor], sources: list[Tensor], flow: Path, **settings: float | str) -> list[Tensor]:
    return list(finished_frames(frames, sources, flow, DecodeConfig.model_validate(settings)))


@pytest.mark.parametrize("temporal_filter", [0.0, 1.0])
def test_a_clean_source_is_found_again_in_the_result_and_a_damaged_one_is_not(
    tmp_path: Path, temporal_filter: float
) -> None:
    generator = torch.Generator().manual_seed(3)
    wanted = target()
    errors = 0.01 * torch.randn(3, 3, 48, 64, generator=generator)
    errors[..., :6, :] = 0  # what is nowhere less is noise
    clean = list(source_of(wanted) + errors)
    noisy = [each + 0.3 * torch.randn(3, 48, 64, generator=generator) for each in clean]
    decoded, flow = [wanted[0].clone() for _ in range(3)], write_still(tmp_path, 3)

    def apart(sources: list[Tensor], put_back: float) -> float:
        settings = {"temporal_filter": temporal_filter, "back_projection_if_clean": put_back}
        return sum(map(agreement, finished(decoded, sources, flow, **settings), sources))

    assert apart(clean, 1.0) < apart(clean, 0.5) < apart(clean, 0.0) / 2
    assert apart(noisy, 1.0) == pytest.approx(apart(noisy, 0.0), rel=1e-4)


def test_what_the_filter_takes_from_a_clean_source_is_no_damage_and_put_back(tmp_path: Path) -> None:
    frames = [target(seed=number)[0] * 0.05 + target()[0] for number in range(3)]
    sources = [source_of(frame[None])[0] for frame in frames]
    flow = write_still(tmp_path, 3)
    without, put_back = (
        sum(map(agreement, finished(frames, sources, flow, back_projection_if_clean=weight), sources))
        for weight in (0.0, 1.0)
    )
    assert put_back < without / 10


def test_the_filter_follows_the_flow_of_the_source_or_that_of_the_result(tmp_path: Path) -> None:
    still = [target()[0] for _ in range(3)]
    moving = [each.roll(8 * number, -1) for number, each in enumerate(still)]
    sources = [source_of(frame[None])[0] for frame in moving]
    flow = write_still(tmp_path, 3)
    apart = {
        way: float((finished(moving, sources, flow, filter_flow=way)[1] - moving[1])[..., 24:-24].abs().mean())
        for way in ("source", "result")
    }
    assert apart["result"] < apart["source"] / 2, "what is filtered along no motion at all is smeared"
    assert finished(moving, sources, tmp_path / "none", filter_flow="result"), "the stage's flow is not asked for"


@pytest.mark.parametrize("filter_flow", ["source", "result"])
def test_a_fade_keeps_its_brightness_where_it_begins_and_ends(tmp_path: Path, filter_flow: str) -> None:
    frames = [(target()[0] + 1) * brightness - 1 for brightness in (0.1, 0.16, 0.22)]
    sources = [source_of(frame[None])[0] for frame in frames]
    flow = write_still(tmp_path, 3)
    settings = {"back_projection_if_clean": 0.0, "filter_flow": filter_flow}
    for before, after in zip(frames, finished(frames, sources, flow, **settings), strict=True):
        assert float((after - before).mean().abs()) < 0.001, "a quarter of a level of 8 bits at most"
        assert not torch.equal(after, before), "the filter was at work"


def test_without_either_nothing_is_read(tmp_path: Path) -> None:
    frames = [torch.zeros(3, 16, 16), torch.ones(3, 16, 16)]
    assert finished(frames, [], tmp_path / "none", temporal_filter=0, back_projection_if_clean=0) == frames
