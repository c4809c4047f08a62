"""Optical flow between neighbouring frames of a chunk, pair by pair; found anew between decoded frames."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional

from models.motion import Motion
from models.temporal_filter import Neighbour, mismatch
from models.warping import resize_flow
from stages.decode.beside import worked_beside
from stages.decode.cleanliness import Judged
from stages.decode.fidelity import reduced
from stages.flow.estimators import dis_flow

FINER = 1.15
"""How many times worse frames must agree along the flow found at the source's size for that found at twice of it to be
followed, which sees small things move and is led astray by what the networks made differently in each frame."""


def pair_by_pair(motion: Motion) -> Iterator[Motion]:
    """Yield the motion of a chunk from each frame to the next."""
    for number in range(len(motion)):
        yield motion.pairs(number, number + 1)


def found_anew(frames: Iterable[Judged], threads: int = 1) -> Iterator[Motion]:
    """Yield the motion between decoded frames, which noise and compression of their sources move about less.

    It is found by dense inverse search (Kroeger et al., ECCV 2016) at the source's size and at twice of it, and given
    at half of it: what is filtered along that flickers less.

    OpenCV searches on the CPU, wherever the frames are: by threads of its own, while the next frames are decoded.

    Args:
        frames: in order; some more are taken than motion has been yielded.
        threads: that search, each between two frames.
    """
    return worked_beside(pairwise(map(_two_sizes, frames)), _between, "flow", threads)


def _two_sizes(judged: Judged) -> tuple[Tensor, Tensor]:
    """A frame in [0, 1] at twice the size that it was judged at and at that size, [1, 3, 2h, 2w] and [1, 3, h, w]."""
    frame = ((judged.frame[None] + 1) / 2).clamp(0, 1)
    height, width = judged.clean.shape[-2:]
    large, small = (reduced(frame, (times * height, times * width)).clamp(0, 1).cpu() for times in (2, 1))
    return large, small


def _between(pair: tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]) -> Motion:
    first, second = pair
    return Motion.from_flow(_flow(first, second), _flow(second, first))


def _flow(frame: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor]) -> Tensor:
    """From one frame to another, both of them in two sizes, at half of the smaller."""
    small = frame[1]
    half = max(1, small.shape[-2] // 2), max(1, small.shape[-1] // 2)
    fine, coarse = (resize_flow(dis_flow(*pair), half) for pair in zip(frame, other, strict=True))
    nothing = torch.zeros_like(coarse[:, :1])
    apart_fine, apart = (
        functional.interpolate(mismatch(small, Neighbour(other[1], flow, nothing)), size=half, mode="bilinear")
        for flow in (fine, coarse)
    )
    return torch.where(apart > FINER * apart_fine, fine, coarse)
