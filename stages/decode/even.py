"""Even places of a source, black bars and faded frames: nothing is to be restored there, and nothing invented."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from models.temporal_filter import mean_around

SIDE = 33
"""Of an even place in pixels of the source: more than two macroblocks, of which strong compression leaves single ones
even in the midst of a picture."""
ROUNDING = (0.5 / 255) ** 2
"""Variance, of values in [-1, 1], up to which a place is even."""


def evenness(source: Tensor, side: int) -> Tensor:
    """Where ``[1, 3, h, w]`` in [-1, 1] is even in the square of this side, odd, around: ``[1, 1, h, w]``, boolean."""
    values = source.double()  # a difference of two nearly equal numbers
    variance = mean_around(values.square(), side) - mean_around(values, side).square()
    return variance.mean(1, keepdim=True) <= ROUNDING


def grown(places: Tensor, side: int) -> Tensor:
    """Every place ``[1, 1, h, w]``, boolean, as a square of this side, odd."""
    rows = functional.max_pool2d(places.float(), (side, 1), stride=1, padding=(side // 2, 0))
    return functional.max_pool2d(rows, (1, side), stride=1, padding=(0, side // 2)) > 0


def even_places_of(source: Tensor, frame: Tensor) -> Tensor:
    """``frame``, with the value of the source wherever that is even.

    Args:
        source: [1, 3, h, w] in [0, 1].
        frame: its restoration, [1, 3, H, W] in [0, 1].

    Returns:
        [1, 3, H, W] in [0, 1]; within half a pixel of the source from an even place's border, something between both.
    """
    even = evenness(source * 2 - 1, SIDE)
    if not even.any():
        return frame
    size = frame.shape[-2], frame.shape[-1]
    # The bilinear ramp has its middle on the border; the half of it that lies inside is kept.
    share = functional.interpolate(grown(even, SIDE).to(source), size=size, mode="bilinear") * 2 - 1
    return torch.lerp(frame, functional.interpolate(source, size=size, mode="nearest"), share.clamp(min=0))
