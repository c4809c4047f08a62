"""The temporal filter over the frames of a chunk, a few of them in memory at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain, pairwise, tee

from torch import Tensor
from torch.nn import functional

from models.motion import Motion
from models.temporal_filter import Neighbour, steadied, temporal_filter
from stages.decode.cleanliness import Judged

IN_STEADY_PLACES, IF_CLEAN = 0.3, 0.15
"""Weight of neighbours where the input moves and does not flicker, of that where it does or stands still; and the same
where the input is clean."""
PASSES = 3
"""How often the filter goes over what flickers or stands still: so many frames on either side count in the end."""


def filtered_frames(
    frames: Iterable[Judged], inputs: Iterable[Tensor], motion: Iterable[Motion], weight: float
) -> Iterator[Judged]:
    """Yield the frames of a chunk, each filtered with those before and after it as they were.

    Where the input flickers or stands still, the result is filtered again, so that frames further on count as well, and
    jitter of the flow is not followed; where it moves steadily, neighbours count for less, the less the cleaner it is.

    Args:
        frames: on the canvas, in order.
        inputs: what they were made of, [3, h, w] in [-1, 1], the same part of the picture at any size.
        motion: between each frame and the next.
        weight: of a neighbour where the input flickers or stands still.

    Raises:
        IndexError: there are more frames than there is motion between.
        ValueError: there are more inputs than frames, or fewer.
    """
    judged_by, *motions = tee(motion, 1 + PASSES)
    seen = tee(_seen(inputs, judged_by), PASSES)
    for number, (each, along) in enumerate(zip(seen, motions, strict=True)):
        frames = _filtered(frames, each, along, weight, (0.0, 0.0) if number else (IN_STEADY_PLACES, IF_CLEAN))
    yield from frames


def _seen(inputs: Iterable[Tensor], motion: Iterable[Motion]) -> Iterator[tuple[Tensor, list[Tensor]]]:
    """How far the neighbours of each input count, and the flow from it to each of them, without jitter."""
    for this, neighbours in _beside(inputs, motion):
        yield steadied(this[None], neighbours)


def _filtered(
    frames: Iterable[Judged],
    seen: Iterable[tuple[Tensor, list[Tensor]]],
    motion: Iterable[Motion],
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


def _beside(frames: Iterable[Tensor], motion: Iterable[Motion]) -> Iterator[tuple[Tensor, list[Neighbour]]]:
    """Each frame with those before and after it."""
    motion, before = iter(motion), list[Neighbour]()
    for this, after in pairwise(chain(frames, [None])):
        assert this is not None, "only the last is followed by none"
        if after is None:
            yield this, before
            return
        between = next(motion, None)
        if between is None:
            raise IndexError("there are more frames than there is motion between")
        yield this, [*before, _neighbour(after, between.forward, between.forward_occlusion)]
        before = [_neighbour(this, between.backward, between.backward_occlusion)]


def _neighbour(frame: Tensor, flow: Tensor, occlusion: Tensor) -> Neighbour:
    return Neighbour(frame[None], flow.to(frame.device), occlusion.to(frame.device))
