"""Chroma planes between their own resolution and that of luma, in float32.

Catmull-Rom cubic interpolation (Keys 1981, a = -0.5); when reducing, the kernel is stretched by the factor so that it
removes what the coarser grid cannot hold. Positions follow the siting of the samples: in MPEG-2, H.264 and later,
chroma lies on every second luma sample horizontally ("left") and half-way between two rows vertically; in JPEG and
MPEG-1 it lies half-way in both directions.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]


def siting_offset(factor: int, centred: bool) -> float:
    """Position of the first chroma sample in units of luma samples: half-way between its ``factor`` samples, or 0."""
    return (factor - 1) / 2 if centred else 0.0


def _catmull_rom(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    d = np.abs(distance)
    near = 1.5 * d**3 - 2.5 * d**2 + 1
    far = -0.5 * d**3 + 2.5 * d**2 - 4 * d + 2
    return np.where(d < 1, near, np.where(d < 2, far, 0.0))


def enlarge(plane: Plane, factor: int, offset: float, axis: int, length: int) -> Plane:
    """Interpolate ``plane`` [h, w] along ``axis`` onto ``length`` samples, ``factor`` for each one it has.

    Args:
        plane: chroma samples.
        factor: 1, 2 or 4.
        offset: position of sample 0 on the finer grid, see ``siting_offset``.
        axis: 0 for rows, 1 for columns.
        length: samples wanted; at most ``factor`` times those there are (fewer where luma has an odd size).
    """
    if factor == 1:
        return plane
    source = np.moveaxis(plane, axis, 0)
    count = source.shape[0]
    padded = np.pad(source, ((2, 2), (0, 0)), mode="edge")
    result = np.empty((count * factor, source.shape[1]), np.float32)
    for phase in range(factor):
        position = (phase - offset) / factor
        base = math.floor(position)
        weights = _catmull_rom(position - base - np.arange(-1.0, 3.0)).astype(np.float32)
        first = base + 1
        result[phase::factor] = sum(weight * padded[first + k : first + k + count] for k, weight in enumerate(weights))
    return np.moveaxis(result[:length], 0, axis)


def reduce(plane: Plane, factor: int, offset: float, axis: int) -> Plane:
    """The inverse grid of ``enlarge``: ceil(length / factor) samples, anti-aliased. Arguments as there."""
    if factor == 1:
        return plane
    source = np.moveaxis(plane, axis, 0)
    length = source.shape[0]
    count = -(-length // factor)
    first, last = math.floor(offset - 2 * factor) + 1, math.ceil(offset + 2 * factor) - 1
    weights = _catmull_rom((np.arange(first, last + 1) - offset) / factor)
    weights = (weights / weights.sum()).astype(np.float32)
    span = (count - 1) * factor + 1
    padded = np.pad(source, ((-first, max(0, span + last - length)), (0, 0)), mode="edge")
    result = sum(weight * padded[k : k + span : factor] for k, weight in enumerate(weights) if weight)
    return np.moveaxis(np.asarray(result, np.float32), 0, axis)
