"""Motion-compensated temporal filtering of decoded frames.

It asks of pixels what the motion guidance asks of latents (arXiv 2312.00853, section 3.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from models.warping import resize_flow, sampling_grid

TOLERANCE = 0.1
"""Mean difference, of values in [-1, 1], at which a neighbour's weight has fallen to 1/e: more is not flicker."""
NEIGHBOURHOOD = 7
"""Side in pixels over which differences are averaged."""


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A frame beside the one that is filtered.

    Attributes:
        frame: ``[1, c, H, W]`` in [-1, 1].
        flow: from the filtered frame to this one, ``[1, 2, h, w]``, in pixels of its own size.
        occlusion: ``[1, 1, h, w]``, 1 where the flow is not to be believed.
    """

    frame: Tensor
    flow: Tensor
    occlusion: Tensor


def temporal_filter(frame: Tensor, neighbours: Sequence[Neighbour], weight: float) -> Tensor:
    """Mean of a frame and its neighbours, moved along the optical flow to where they are in it.

    A neighbour counts less where the flow is not to be believed, and where, moved, it is still another picture.

    Args:
        frame: ``[1, c, H, W]`` in [-1, 1].
        neighbours: none leaves the frame as it is.
        weight: of a neighbour where all agrees; the frame itself has 1.

    Returns:
        ``[1, c, H, W]`` in [-1, 1].
    """
    total, weights = frame, torch.ones_like(frame[:, :1])
    size = (frame.shape[-2], frame.shape[-1])
    for other in neighbours:
        grid = sampling_grid(resize_flow(other.flow, size))
        moved = functional.grid_sample(other.frame, grid, mode="bicubic", padding_mode="border", align_corners=True)
        believed = 1 - functional.interpolate(other.occlusion.to(frame), size=size, mode="bilinear")
        share = weight * believed * _likeness(moved, frame)
        total, weights = total + share * moved, weights + share
    return (total / weights).clamp(-1, 1)


def _likeness(one: Tensor, other: Tensor) -> Tensor:
    margin = NEIGHBOURHOOD // 2
    apart = (one - other).abs().mean(1, keepdim=True)
    apart = functional.avg_pool2d(apart, NEIGHBOURHOOD, 1, margin, count_include_pad=False)
    return torch.exp(-((apart / TOLERANCE) ** 2))
