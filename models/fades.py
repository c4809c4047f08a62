"""The brightness of a fade taken out of a neighbouring frame, so that what is left of the two to compare is flicker."""

from __future__ import annotations

import torch
from torch import Tensor

ROWS = 128
"""Of a frame's rows and columns, as many count as leave so many along its shorter side: its mean needs no more."""
LARGEST_GAIN = 2.0
"""Of contrast: what is darker than half as bright would give its noise, not its picture."""
LEAST_SEEN = 0.1
"""Share of a frame that must be found in its neighbour, for their brightness to be compared."""
_EVEN = 1e-4


def brought_to(frame: Tensor, moved: Tensor, believed: Tensor) -> Tensor:
    """A neighbour with the mean and deviation of the frame, channel by channel, where they show the same.

    Args:
        frame: ``[1, c, H, W]``.
        moved: the neighbour, moved to where it is in the frame, likewise.
        believed: ``[1, 1, H, W]``, 1 where it shows what the frame shows, 0 where not.

    Returns:
        ``[1, c, H, W]``: ``moved`` as it is where the frame is hardly to be seen in it.
    """
    weights = _thinned(believed)
    total = weights.sum()
    if float(total) < LEAST_SEEN * weights.numel():
        return moved
    (mean, deviation), (wanted, wanted_deviation) = (_statistics(_thinned(x), weights / total) for x in (moved, frame))
    gain = (wanted_deviation / deviation.clamp(min=_EVEN)).clamp(max=LARGEST_GAIN)
    return torch.addcmul(wanted - mean * gain, moved, gain)


def _thinned(values: Tensor) -> Tensor:
    step = max(1, min(values.shape[-2:]) // ROWS)
    return values[..., ::step, ::step]


def _statistics(values: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    mean = (values * weights).sum((-2, -1), keepdim=True)
    return mean, ((values - mean).square() * weights).sum((-2, -1), keepdim=True).sqrt()
