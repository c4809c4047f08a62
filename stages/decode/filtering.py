"""The temporal filter over the frames of a chunk, a few of them in memory at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import chain, pairwise, tee
from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional

from models.temporal_filter import Neighbour, steadied, temporal_filter
from stages.decode.cleanliness import Judged

IN_STEADY_PLACES, IF_CLEAN = 0.3, 0.15
"""Weight of neighbours where the input moves and does not flicker, of that where it does or stands still; and the same
where the input is clean."""
PASSES = 3
"""How often the filter goes over what flickers or stands still: so many frames on either side count in the end."""


def filtered_frames(frames: Iterable[Judged], inputs: Iterable[Tensor], flow: Path, weight: float) -> Iterator[Judged]:
    """Yield the frames of a chunk, each filtered with those before and after it as they were.

    Where the input flickers or stands still, the result is filtered again, so that frames further on count as well, and
    jitter of the flow is not followed; where it moves steadily, neighbours count for less, the less the cleaner it is.

    Args:
        frames: on the canvas, in order.
        inputs: what they were made of, [3, h, w] in [-1, 1], the same part of the picture at any size.
        flow: the folder that the flow stage wrote for the chunk.
        weight: of a neighbour where the input flickers or stands still; 0 yields the frames as they are.

    Raises:
        IndexError: there are more frames than the flow was found for.
        ValueError: there are more inputs than frames, or fewer.
    """
    if not weight:
        yield from frames
        return
    motion = load_file(flow / "flow.safetensors")
    first, *others = tee(_seen(inputs, motion), PASSES)
    frames = _filtered(frames, first, motion, weight, (IN_STEADY_PLACES, IF_CLEAN))
    for seen in others:
        frames = _filtered(frames, seen, motion, weight, (0.0, 0.0))
    yield from frames


def _seen(inputs: Iterable[Tensor], motion: Mapping[str, Tensor]) -> Iterator[tuple[Tensor, list[Tensor]]]:
    """How far the neighbours of each input count, and the flow from it to each of them, without jitter."""
    for this, neighbours in _beside(inputs, motion):
        yield steadied(this[None], neighbours)


def _filtered(
    frames: Iterable[Judged],
    seen: Iterable[tuple[Tensor, list[Tensor]]],
    motion: Mapping[str, Tensor],
    weight: float,
    least: tuple[float, float],
) -> Iterator[Judged]:
    """Filter once; ``least`` of the weight counts everywhere, in damaged places and in clean ones."""
    frames, judged = tee(frames)
    beside = _beside((each.frame for each in frames), motion)
    for each, (this, neighbours), (amount, flows) in zip(judged, beside, seen, strict=True):
        still = [replace(other, flow=flow) for other, flow in zip(neighbours, flows, strict=True)]
        clean = functional.interpolate(each.clean, size=amount.shape[-2:], mode="bilinear")
        amount = amount.maximum(least[0] + clean * (least[1] - least[0]))
        yield replace(each, frame=temporal_filter(this[None], still, weight * amount)[0])


def _beside(frames: Iterable[Tensor], motion: Mapping[str, Tensor]) -> Iterator[tuple[Tensor, list[Neighbour]]]:
    """Each frame with those before and after it."""
    before: Tensor | None = None
    for number, (this, after) in enumerate(pairwise(chain(frames, [None]))):
        assert this is not None, "only the last is followed by none"
        neighbours = []
        if before is not None:
            neighbours.append(_neighbour(before, motion, "backward", number - 1))
        if after is not None:
            neighbours.append(_neighbour(after, motion, "forward", number))
        yield this, neighbours
        before = this


def _neighbour(frame: Tensor, motion: Mapping[str, Tensor], way: str, number: int) -> Neighbour:
    flow, occlusion = (motion[name][number, None].to(frame.device) for name in (way, f"{way}_occlusion"))
    return Neighbour(frame[None], flow, occlusion)
