"""The luma that PSNR, SSIM and the other measures on grey pictures are computed from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Luma = NDArray[np.float64]

PEAK = 255.0
"""The peak value that PSNR and SSIM of 8-bit video refer to."""

_WEIGHTS = np.array([65.481, 128.553, 24.966])
_OFFSET = 16.0


def luma(rgb: NDArray[np.float32]) -> Luma:
    """R'G'B' ``[h, w, 3]`` in [0, 1] -> Y' of BT.601 ``[h, w]``, 16 to 235, not rounded.

    This is the Y of the super-resolution literature (MATLAB's ``rgb2ycbcr``), whatever matrix the clip itself is
    stored with, so that numbers can be held against published tables.
    """
    return rgb.astype(np.float64) @ _WEIGHTS + _OFFSET
