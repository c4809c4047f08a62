"""How clean a source frame is: how little of its finest detail the networks took for damage, and took away."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from models.temporal_filter import mean_around
from stages.decode.even import ROUNDING, evenness, grown
from stages.decode.fidelity import low_band, reduced, reduced_and_back

DAMAGED, CLEAN = 10.0, 15.0
"""Detail against what was taken away, in decibels and of the whole frame, up to which it counts as damaged, and from
which on as clean. Clips shrunk cleanly have 12 to 21, such as were damaged besides -3 to 9."""
DAMAGED_HERE, CLEAN_HERE = 3.0, 8.0
"""The same about one place: a speck that is gone is as large as all the detail there was."""
NOISELESS, NOISY = 0.8 / 255, 1.4 / 255
"""Deviation, of values in [-1, 1], of what was taken away where that is least: noise is everywhere, errors are not. Of
noise by 1, 2 and 4 levels of 8 bits 0.8 to 1.0, 1.2 to 2.1 and 2.4 to 3.9 of 255 are found, without it 0.2 to 1.1."""
QUIETEST = 0.02
"""Share of a frame's places that is taken for that."""
PLACE = 7
"""Side of a place in pixels of the source."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A restored frame, and how clean its source is.

    Attributes:
        frame: [3, H, W] in [-1, 1].
        clean: [1, 1, h, w], as ``cleanliness`` finds it.
    """

    frame: Tensor
    clean: Tensor


def cleanliness(frame: Tensor, source: Tensor) -> Tensor:
    """Judge a source by its restoration: what the two differ by, at the source's size, is the damage taken away.

    Args:
        frame: [1, 3, H, W] in [-1, 1].
        source: [1, 3, h, w] in [-1, 1], the same part of the picture.

    Returns:
        [1, 1, h, w], or half of H and W where these are less than twice as large; from 0, damaged, to 1, clean. Where
        the source is even there is nothing to judge by, and it is 0.
    """
    size = low_band((source.shape[-2], source.shape[-1]), (frame.shape[-2], frame.shape[-1]))
    wanted = reduced(source, size)
    detail = (wanted - reduced_and_back(wanted)).square().mean(1, keepdim=True)
    removed = (wanted - reduced(frame, size)).square().mean(1, keepdim=True)
    detail_here, removed_here = (mean_around(each, PLACE) for each in (detail, removed))
    here = _between(_decibels(detail_here, removed_here), DAMAGED_HERE, CLEAN_HERE)
    everywhere = _between(_decibels(detail.mean(), removed.mean()), DAMAGED, CLEAN)
    # Not beside what is even, as black bars are: there is no noise in a noisy film either.
    noise = _least(removed_here[~grown(evenness(wanted, PLACE), 2 * PLACE - 1)]).sqrt()
    return here * everywhere * (1 - _between(noise, NOISELESS, NOISY))


def _between(value: Tensor, none: float, full: float) -> Tensor:
    return ((value - none) / (full - none)).clamp(0, 1)


def _decibels(detail: Tensor, removed: Tensor) -> Tensor:
    return 10 * torch.log10((detail / removed.clamp(min=ROUNDING)).clamp(min=1e-9))


def _least(removed: Tensor) -> Tensor:
    if not removed.numel():
        return removed.sum()
    # torch.quantile takes 16 million values at most.
    return removed.kthvalue(max(1, int(QUIETEST * removed.numel()))).values
