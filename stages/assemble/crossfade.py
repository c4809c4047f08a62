"""Where two chunks restored the same frames: from one to the other, in code values."""

from __future__ import annotations

import av
import numpy as np

from stages.media.planes import components


def crossfade_weight(position: int, overlap: int) -> float:
    """The later chunk's share in frame ``position`` of an overlap of ``overlap`` frames: linear, never 0 or 1."""
    return (position + 1) / (overlap + 1)


def blend(earlier: av.VideoFrame, later: av.VideoFrame, weight: float) -> av.VideoFrame:
    """``(1 - weight) * earlier + weight * later``, rounded to the nearest code value. Both of one size and format.

    Raises:
        ValueError: they differ in size or format.
    """
    if (earlier.width, earlier.height, earlier.format.name) != (later.width, later.height, later.format.name):
        raise ValueError("overlapping frames differ in size or pixel format")
    result = av.VideoFrame(earlier.width, earlier.height, earlier.format.name)
    for target, a, b in zip(components(result), components(earlier), components(later), strict=True):
        mixed = a.astype(np.float32) * np.float32(1 - weight) + b.astype(np.float32) * np.float32(weight)
        target[...] = np.rint(mixed).astype(target.dtype)
    return result
