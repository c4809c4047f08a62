"""Optical flow between neighbouring frames of a chunk: the flow stage's, or found anew between decoded frames."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional

from models.temporal_filter import Neighbour, mismatch
from models.warping import occlusion_masks, resize_flow
from stages.decode.cleanliness import Judged
from stages.decode.fidelity import reduced
from stages.flow.estimators import dis_flow

FINER = 1.15
"""How many times worse frames must agree along the flow found at the source's size for that found at twice of it to be
followed, which sees small things move and is led astray by what the networks made differently in each frame."""
RELATIVE, ABSOLUTE = 0.01, 0.5
"""Forward-backward mismatch allowed: a part of both flows' lengths, and pixels of the flow (golden README, section
6)."""


@dataclass(frozen=True, slots=True)
class Motion:
    """Between a frame and the next, both ways.

    Attributes:
        forward: from the first to the second, ``[1, 2, h, w]`` in pixels of this size; lives on the first.
        backward: likewise from the second to the first.
        forward_occlusion: ``[1, 1, h, w]``, 1 where ``forward`` is not to be believed.
        backward_occlusion: likewise for ``backward``.
    """

    forward: Tensor
    backward: Tensor
    forward_occlusion: Tensor
    backward_occlusion: Tensor


def read_motion(folder: Path) -> Iterator[Motion]:
    """Yield what the flow stage wrote for a chunk, pair by pair."""
    parts = load_file(folder / "flow.safetensors")
    names = ("forward", "backward", "forward_occlusion", "backward_occlusion")
    for number in range(len(parts["forward"])):
        yield Motion(*(parts[name][number, None] for name in names))


def found_anew(frames: Iterable[Judged]) -> Iterator[Motion]:
    """Yield the motion between decoded frames, which noise and compression of their sources do not move about.

    It is found by dense inverse search (Kroeger et al., ECCV 2016) at the source's size and at twice of it, and given
    at half of it, which evens out what jitters in it.

    Args:
        frames: in order; two of them are in memory at a time.
    """
    for first, second in pairwise(map(_two_sizes, frames)):
        forward, backward = _flow(first, second), _flow(second, first)
        yield Motion(forward, backward, *occlusion_masks(forward, backward, alpha=RELATIVE, beta=ABSOLUTE))


def _two_sizes(judged: Judged) -> tuple[Tensor, Tensor]:
    """A frame, [1, 3, 2h, 2w] in [0, 1] or no larger than it is, and the same at its source's size, [1, 3, h, w]."""
    frame = ((judged.frame[None] + 1) / 2).clamp(0, 1)
    height, width = judged.clean.shape[-2:]
    twice = min(2 * height, frame.shape[-2]), min(2 * width, frame.shape[-1])
    large, small = (reduced(frame, size).clamp(0, 1) for size in (twice, (height, width)))
    return large, small


def _flow(frame: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor]) -> Tensor:
    """From one frame to another, both of them in two sizes, at half of the smaller."""
    small = frame[1]
    half = max(1, small.shape[-2] // 2), max(1, small.shape[-1] // 2)
    fine, coarse = (resize_flow(dis_flow(*pair).to(small), half) for pair in zip(frame, other, strict=True))
    nothing = torch.zeros_like(coarse[:, :1])
    apart_fine, apart = (
        functional.interpolate(mismatch(small, Neighbour(other[1], flow, nothing)), size=half, mode="bilinear")
        for flow in (fine, coarse)
    )
    return torch.where(apart > FINER * apart_fine, fine, coarse)
