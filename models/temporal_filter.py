"""Motion-compensated temporal filtering of decoded frames, as far as the frames that they were made of flicker.

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
STEADY, RESTLESS = 0.016, 0.032
"""Mean difference, of values in [-1, 1], up to which an input counts as steady along its motion, and from which on as
flickering all over. Clips shrunk cleanly have 0.008 to 0.016, damaged ones 0.03 to 0.05."""


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


def flicker(frame: Tensor, neighbours: Sequence[Neighbour]) -> Tensor:
    """How much a frame of the input differs from its neighbours by more than motion, place by place.

    Args:
        frame: ``[1, c, h, w]`` in [-1, 1].
        neighbours: as large as the frame; with none nothing is known, and the answer is 0.

    Returns:
        ``[1, 1, h, w]``, from 0, steady, to 1.
    """
    apart, weights = torch.zeros_like(frame[:, :1]), torch.full_like(frame[:, :1], 1e-6)
    for other in neighbours:
        moved, believed = _moved(other, (frame.shape[-2], frame.shape[-1]))
        apart, weights = apart + believed * _difference(moved, frame), weights + believed
    return ((apart / weights - STEADY) / (RESTLESS - STEADY)).clamp(0, 1)


def temporal_filter(frame: Tensor, neighbours: Sequence[Neighbour], weight: Tensor) -> Tensor:
    """Mean of a frame and its neighbours, moved along the optical flow to where they are in it.

    A neighbour counts less where the flow is not to be believed, and where, moved, it is still another picture.

    Args:
        frame: ``[1, c, H, W]`` in [-1, 1].
        neighbours: none leaves the frame as it is.
        weight: of a neighbour where all agrees, ``[1, 1, h, w]`` of any size; the frame itself has 1.

    Returns:
        ``[1, c, H, W]`` in [-1, 1].
    """
    if not weight.any():
        return frame.clamp(-1, 1)
    size = (frame.shape[-2], frame.shape[-1])
    total, weights = frame, torch.ones_like(frame[:, :1])
    weight = functional.interpolate(weight.to(frame), size=size, mode="bilinear")
    for other in neighbours:
        moved, believed = _moved(other, size)
        share = weight * believed * torch.exp(-((_difference(moved, frame) / TOLERANCE) ** 2))
        total, weights = total + share * moved, weights + share
    return (total / weights).clamp(-1, 1)


def _moved(other: Neighbour, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """The neighbour where it is in the frame beside it, and how far that is to be believed, 0 to 1."""
    grid = sampling_grid(resize_flow(other.flow, size))
    moved = functional.grid_sample(other.frame, grid, mode="bicubic", padding_mode="border", align_corners=True)
    return moved, 1 - functional.interpolate(other.occlusion.to(moved), size=size, mode="bilinear")


def _difference(one: Tensor, other: Tensor) -> Tensor:
    apart = (one - other).abs().mean(1, keepdim=True)
    return functional.avg_pool2d(apart, NEIGHBOURHOOD, 1, NEIGHBOURHOOD // 2, count_include_pad=False)
