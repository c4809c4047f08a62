"""The temporal filter over the frames of a chunk, three of them in memory at a time."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, pairwise
from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor

from models.temporal_filter import Neighbour, temporal_filter


def filtered_frames(frames: Iterator[Tensor], flow: Path, weight: float) -> Iterator[Tensor]:
    """Yield the frames of a chunk, each filtered with those before and after it as they were.

    Args:
        frames: [3, H, W] in [-1, 1], on the canvas, in order.
        flow: the folder that the flow stage wrote for the chunk.
        weight: of a neighbour; 0 yields the frames as they are.

    Raises:
        IndexError: there are more frames than the flow was found for.
    """
    if not weight:
        yield from frames
        return
    motion = load_file(flow / "flow.safetensors")
    before: Tensor | None = None
    for number, (this, after) in enumerate(pairwise(chain(frames, [None]))):
        assert this is not None, "only the last is followed by none"
        neighbours = []
        if before is not None:
            neighbours.append(_neighbour(before, motion, "backward", number - 1))
        if after is not None:
            neighbours.append(_neighbour(after, motion, "forward", number))
        yield temporal_filter(this[None], neighbours, weight)[0]
        before = this


def _neighbour(frame: Tensor, motion: dict[str, Tensor], way: str, number: int) -> Neighbour:
    flow, occlusion = (motion[name][number, None].to(frame.device) for name in (way, f"{way}_occlusion"))
    return Neighbour(frame[None], flow, occlusion)
