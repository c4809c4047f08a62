"""Which frames are filtered with which, and along which flow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest
import torch

from models.motion import Motion
from models.temporal_filter import Neighbour
from stages.decode import filtering
from stages.decode.cleanliness import Judged
from stages.decode.filtering import filtered_frames


def judged(frames: Iterable[torch.Tensor], clean: float = 0.0) -> Iterator[Judged]:
    return (Judged(frame, torch.full((1, 1, 4, 4), clean)) for frame in frames)


def pictures(frames: Iterable[Judged]) -> list[torch.Tensor]:
    return [each.frame for each in frames]


def along(forward: torch.Tensor, backward: torch.Tensor) -> list[Motion]:
    """Motion between frames, [n - 1, 2, h, w] each way, nothing of it occluded."""
    hidden = torch.zeros_like(forward[:, None, :1])
    return [Motion(*parts) for parts in zip(forward[:, None], backward[:, None], hidden, hidden, strict=True)]


def numbered(frames: int) -> list[Motion]:
    numbers = torch.arange(frames - 1.0).view(-1, 1, 1, 1).expand(-1, 2, 2, 2)
    return along(numbers + 100, numbers + 200)


def test_each_frame_meets_its_neighbours_as_they_were_before(monkeypatch: pytest.MonkeyPatch) -> None:
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
    filtered = filtered_frames(judged(frames), inputs, numbered(3), 0.5)
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
    shift: float, noise: float, clean: float, least: float, most: float
) -> None:
    generator = torch.Generator().manual_seed(0)
    decoded = 0.02 * torch.randn(7, 3, 32, 32, generator=generator)
    motion = along(*(torch.full((6, 2, 2, 2), way * shift / 2) for way in (1, -1)))
    inputs = noise * torch.randn(7, 3, 8, 8, generator=generator)
    filtered = torch.stack(pictures(filtered_frames(judged(decoded, clean), inputs, motion, 1.0)))
    left = float((filtered[3] - decoded[3].mean()).std() / decoded[3].std())
    assert least < left < most, (
        "a mean with weights of 0.3 leaves 0.68 of the deviation, of 0.15 0.79, 1 3 6 7 6 3 1 leaves 0.44"
    )


def test_jitter_of_the_flow_moves_nothing_where_the_input_flickers() -> None:
    generator = torch.Generator().manual_seed(0)
    texture = 0.2 * torch.randn(1, 3, 64, 64, generator=generator)
    jitter = along(*(0.1 * torch.randn(2, 2, 8, 8, generator=generator) for _ in range(2)))
    inputs = 0.2 * torch.randn(3, 3, 16, 16, generator=generator)
    filtered = torch.stack(pictures(filtered_frames(judged(texture.expand(3, -1, -1, -1)), inputs, jitter, 1.0)))
    assert float((filtered - texture).abs().mean()) < 0.005


def test_a_chunk_of_one_frame_has_no_neighbours() -> None:
    frames = judged([torch.full((3, 16, 16), 0.25)])
    (frame,) = pictures(filtered_frames(frames, torch.zeros(1, 3, 4, 4), [], 1.0))
    assert torch.equal(frame, torch.full((3, 16, 16), 0.25))


@pytest.mark.parametrize("inputs", [2, 4])
def test_every_frame_has_its_input(inputs: int) -> None:
    frames = judged(torch.zeros(3, 3, 16, 16))
    filtered = filtered_frames(frames, torch.zeros(inputs, 3, 4, 4), numbered(4), 1.0)
    with pytest.raises(ValueError, match="zip"):
        list(filtered)


def test_no_frame_is_lost_where_the_flow_is_too_short() -> None:
    frames = judged(torch.zeros(4, 3, 16, 16))
    filtered = filtered_frames(frames, torch.zeros(4, 3, 4, 4), numbered(3), 1.0)
    with pytest.raises(IndexError):
        list(filtered)
