"""Which frames are filtered with which, and along which flow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from models.temporal_filter import Neighbour
from stages.decode import filtering
from stages.decode.cleanliness import Judged
from stages.decode.filtering import filtered_frames


def judged(frames: Iterable[torch.Tensor], clean: float = 0.0) -> Iterator[Judged]:
    return (Judged(frame, torch.full((1, 1, 4, 4), clean)) for frame in frames)


def pictures(frames: Iterable[Judged]) -> list[torch.Tensor]:
    return [each.frame for each in frames]


def write_flow(folder: Path, frames: int) -> Path:
    numbers = torch.arange(frames - 1.0).view(-1, 1, 1, 1)
    parts = {"forward": numbers.expand(-1, 2, 2, 2) + 100, "backward": numbers.expand(-1, 2, 2, 2) + 200}
    hidden = {f"{way}_occlusion": torch.zeros(frames - 1, 1, 2, 2, dtype=torch.uint8) for way in parts}
    save_file({name: part.contiguous() for name, part in (parts | hidden).items()}, folder / "flow.safetensors")
    return folder


def test_each_frame_meets_its_neighbours_as_they_were_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    met = []

    def noted(frame: torch.Tensor, neighbours: list[Neighbour], weight: torch.Tensor) -> torch.Tensor:
        met.append([(round(float(each.frame.mean()), 3), float(each.flow.mean())) for each in neighbours])
        weights.append(round(float(weight.mean()), 3))
        return frame - 1

    weights: list[float] = []
    monkeypatch.setattr(filtering, "temporal_filter", noted)
    monkeypatch.setattr(
        filtering, "steadied", lambda this, beside: (this.mean().view(1, 1, 1, 1), [each.flow for each in beside])
    )
    frames = (torch.full((3, 16, 16), number / 10) for number in range(3))
    inputs = (torch.full((3, 4, 4), number / 2) for number in range(3))
    filtered = filtered_frames(judged(frames), inputs, write_flow(tmp_path, 3), 0.5)
    assert [round(float(frame.mean()), 3) for frame in pictures(filtered)] == [-3.0, -2.9, -2.8]
    first = [[(0.1, 100)], [(0.0, 200), (0.2, 101)], [(0.1, 201)]]
    second, third = ([[(shown - ago, flow) for shown, flow in frame] for frame in first] for ago in (1, 2))
    assert sorted(met) == sorted([*first, *second, *third])
    assert sorted(weights) == [0, 0, 0.15, *3 * [0.25], *3 * [0.5]], "0.3, 0.5, 1 and then twice 0, 0.5, 1 of 0.5"


@pytest.mark.parametrize(
    ("shift", "noise", "clean", "least", "most"),
    [
        (0.25, 0.0, 0.0, 0.6, 0.75),
        (0.25, 0.0, 1.0, 0.75, 0.85),
        (0, 0, 0.0, 0.38, 0.47),
        (0, 0, 1.0, 0.38, 0.47),
        (0.25, 0.2, 0.0, 0.38, 0.47),
    ],
)
def test_where_the_input_flickers_or_stands_still_frames_count_that_are_three_away(
    tmp_path: Path, shift: float, noise: float, clean: float, least: float, most: float
) -> None:
    generator = torch.Generator().manual_seed(0)
    decoded = 0.02 * torch.randn(7, 3, 32, 32, generator=generator)
    parts = {"forward": torch.full((6, 2, 2, 2), shift / 2), "backward": torch.full((6, 2, 2, 2), -shift / 2)}
    save_file(
        {**parts, **{f"{way}_occlusion": torch.zeros(6, 1, 2, 2) for way in parts}}, tmp_path / "flow.safetensors"
    )
    inputs = noise * torch.randn(7, 3, 8, 8, generator=generator)
    filtered = torch.stack(pictures(filtered_frames(judged(decoded, clean), inputs, tmp_path, 1.0)))
    left = float((filtered[3] - decoded[3].mean()).std() / decoded[3].std())
    assert least < left < most, (
        "a mean with weights of 0.3 leaves 0.68 of the deviation, of 0.15 0.79, 1 3 6 7 6 3 1 leaves 0.44"
    )


def test_jitter_of_the_flow_moves_nothing_where_the_input_flickers(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    texture = 0.2 * torch.randn(1, 3, 64, 64, generator=generator)
    jitter = {way: 0.1 * torch.randn(2, 2, 8, 8, generator=generator) for way in ("forward", "backward")}
    save_file(
        {**jitter, **{f"{way}_occlusion": torch.zeros(2, 1, 8, 8) for way in jitter}}, tmp_path / "flow.safetensors"
    )
    inputs = 0.2 * torch.randn(3, 3, 16, 16, generator=generator)
    filtered = torch.stack(pictures(filtered_frames(judged(texture.expand(3, -1, -1, -1)), inputs, tmp_path, 1.0)))
    assert float((filtered - texture).abs().mean()) < 0.005


def test_a_chunk_of_one_frame_has_no_neighbours(tmp_path: Path) -> None:
    parts = {name: torch.zeros(0, 2, 2, 2) for name in ("forward", "backward")}
    save_file(
        {**parts, **{f"{way}_occlusion": torch.zeros(0, 1, 2, 2) for way in parts}}, tmp_path / "flow.safetensors"
    )
    frames = judged([torch.full((3, 16, 16), 0.25)])
    (frame,) = pictures(filtered_frames(frames, torch.zeros(1, 3, 4, 4), tmp_path, 1.0))
    assert torch.equal(frame, torch.full((3, 16, 16), 0.25))


def test_without_weight_no_flow_is_read(tmp_path: Path) -> None:
    frames = [torch.zeros(3, 16, 16), torch.ones(3, 16, 16)]
    assert pictures(filtered_frames(judged(frames), [], tmp_path / "none", 0.0)) == frames


@pytest.mark.parametrize("inputs", [2, 4])
def test_every_frame_has_its_input(tmp_path: Path, inputs: int) -> None:
    frames = judged(torch.zeros(3, 3, 16, 16))
    filtered = filtered_frames(frames, torch.zeros(inputs, 3, 4, 4), write_flow(tmp_path, 4), 1.0)
    with pytest.raises(ValueError, match="zip"):
        list(filtered)


def test_no_frame_is_lost_where_the_flow_is_too_short(tmp_path: Path) -> None:
    frames = judged(torch.zeros(4, 3, 16, 16))
    filtered = filtered_frames(frames, torch.zeros(4, 3, 4, 4), write_flow(tmp_path, 3), 1.0)
    with pytest.raises(IndexError):
        list(filtered)
