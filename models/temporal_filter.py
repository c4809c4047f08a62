"""Motion-compensated temporal filtering of decoded frames, as far as the frames that they were made of flicker.

It asks of pixels what the motion guidance asks of latents (arXiv 2312.00853, section 3.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from models.fades import brought_to
from models.warping import resize_flow, sampling_grid

TOLERANCE = 0.1
"""Mean difference, of values in [-1, 1], at which a neighbour's weight has fallen to 1/e: more is not flicker."""
NEIGHBOURHOOD = 7
"""Side in pixels over which differences are averaged."""
STEADY, RESTLESS = 0.016, 0.032
"""Mean difference, of values in [-1, 1], up to which an input counts as steady along its motion, and from which on as
flickering all over. Clips shrunk cleanly have 0.008 to 0.016, damaged ones 0.03 to 0.05."""

AROUND = 30
"""Side of the place whose mean motion is looked at, in pixels of the input: over it, jitter comes to nothing."""
STILL, MOVING = 0.12, 0.5
"""Length of that mean motion, in pixels of the input, up to which a place stands still, and from which on it moves."""
SLOW, FAST = 0.6, 1.2
"""The same of a flow by itself, whatever its place does: small things move, too."""
BESIDE = 9
"""Side in pixels of the input over which a neighbour, moved and as it is, is compared with the frame."""
DOUBTFUL, CLEAR = 1.1, 1.4
"""How many times the neighbour as it is differs more than moved: up to this, following a flow is no gain; from that on,
it is. Interpolation alone smooths noise, and gains a tenth."""


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
        moved, believed = _moved(other, frame)
        apart, weights = apart + believed * _apart(moved, frame), weights + believed
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
    total, weights = frame, torch.ones_like(frame[:, :1])
    weight = _resized(weight.to(frame), frame)
    for other in neighbours:
        moved, believed = _moved(other, frame)
        share = weight * believed * torch.exp(-((_apart(moved, frame) / TOLERANCE) ** 2))
        total, weights = total + share * moved, weights + share
    return (total / weights).clamp(-1, 1)


def moves(frame: Tensor, other: Neighbour) -> Tensor:
    """Where a neighbour shows something that moves, and where its flow is no more than jitter.

    Noise moves the flow of a still picture about, by up to half a pixel of the input. A flow is no jitter where its
    whole place moves, where it is fast, or where the neighbour, moved along it, is nearer to the frame than as it is.

    Args:
        frame: of the input, ``[1, c, h, w]`` in [-1, 1].
        other: its neighbour, as large as the frame; flow of any size.

    Returns:
        ``[1, 1, h, w]``, as large as the flow, from 0, stands still, to 1.
    """
    flow = other.flow
    pixel = frame.shape[-1] / flow.shape[-1]
    around = mean_around(flow, 2 * round(AROUND / pixel / 2) + 1)
    place, itself = (each.square().sum(1, keepdim=True).sqrt() * pixel for each in (around, flow))
    gain = _apart(other.frame, frame, BESIDE) / mismatch(frame, other).clamp(min=1e-4)
    signs = (
        (place - STILL) / (MOVING - STILL),
        (itself - SLOW) / (FAST - SLOW),
        _resized((gain - DOUBTFUL) / (CLEAR - DOUBTFUL), flow),
    )
    return torch.cat(signs, dim=1).amax(1, keepdim=True).clamp(0, 1)


def mismatch(frame: Tensor, other: Neighbour) -> Tensor:
    """How far a neighbour, moved along its flow, differs from the frame: mean over places, ``[1, 1, h, w]``.

    Args:
        frame: ``[1, c, h, w]``.
        other: its neighbour, as large as the frame; what is occluded is compared as well.
    """
    moved, _ = _moved(other, frame)
    return _apart(moved, frame, BESIDE)


def steadied(frame: Tensor, neighbours: Sequence[Neighbour]) -> tuple[Tensor, list[Tensor]]:
    """How far the neighbours of a frame count, and which flow to follow to each.

    They count in full where the input flickers, and where it stands still: whatever a result does there is flicker. As
    far as they do, a flow that is no more than jitter is not followed: it would blur what stands still and make it
    tremble.

    Args:
        frame: of the input, ``[1, c, h, w]`` in [-1, 1].
        neighbours: as large as the frame; flow of any size.

    Returns:
        ``[1, 1, h, w]`` in [0, 1], 0 where there is no neighbour; and flows as large as the neighbours'.
    """
    amount = flicker(frame, neighbours)
    moving = [moves(frame, each) for each in neighbours]
    if moving:
        still = 1 - torch.cat(moving, dim=1).amax(1, keepdim=True)
        amount = torch.maximum(amount, _resized(still, frame))
    followed = [1 - _resized(amount, each) * (1 - each) for each in moving]
    return amount, [each.flow * share for each, share in zip(neighbours, followed, strict=True)]


def _moved(other: Neighbour, frame: Tensor) -> tuple[Tensor, Tensor]:
    """The neighbour where it is in the frame, as bright as that; and how far it is to be believed, 0 to 1."""
    grid = sampling_grid(resize_flow(other.flow, (frame.shape[-2], frame.shape[-1])))
    moved = functional.grid_sample(other.frame, grid, mode="bicubic", padding_mode="border", align_corners=True)
    believed = 1 - _resized(other.occlusion.to(moved), moved)
    inside = (grid.abs() <= 1).all(-1)[:, None]
    return brought_to(frame, moved, believed * inside), believed


def _apart(one: Tensor, other: Tensor, side: int = NEIGHBOURHOOD) -> Tensor:
    """Mean difference of the channels and of the square around each place, ``[n, 1, h, w]``."""
    return mean_around((one - other).abs().mean(1, keepdim=True), side)


def mean_around(values: Tensor, side: int) -> Tensor:
    """Of the square of this side, odd, around each place, as far as it lies inside.

    Rows first, then columns, as sums of moved copies: ``avg_pool2d``, which adds up every square by itself, takes 15
    times as long on a CPU for 7 by 7.
    """
    height, width = values.shape[-2:]
    rows, columns = _counts(height, side).to(values), _counts(width, side).to(values)
    return _sums(_sums(values, side, -1), side, -2) / (rows[:, None] * columns)


def _sums(values: Tensor, side: int, dim: int) -> Tensor:
    """Of so many neighbours along the last dimension or the one before it, from sums of 1, 2, 4, ... neighbours."""
    length, margin = values.shape[dim], side // 2
    run = functional.pad(values, (margin, margin) if dim == -1 else (0, 0, margin, margin))
    total, counted, width = torch.zeros_like(values), 0, 1
    while True:
        if side & width:
            total += run.narrow(dim, counted, length)
            counted += width
        if counted == side:
            return total
        rest = run.shape[dim] - width
        run = run.narrow(dim, 0, rest) + run.narrow(dim, width, rest)
        width *= 2


def _counts(length: int, side: int) -> Tensor:
    """How many of so many neighbours lie inside, at each place."""
    places = torch.arange(length)
    return (places + side // 2).clamp(max=length - 1) - (places - side // 2).clamp(min=0) + 1


def _resized(values: Tensor, other: Tensor) -> Tensor:
    """As large as another tensor."""
    return functional.interpolate(values, size=(other.shape[-2], other.shape[-1]), mode="bilinear")
