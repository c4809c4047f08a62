"""PSNR-Y: peak signal-to-noise ratio of the luma.

Source: as usual in video super-resolution: 10 log10(255² / MSE) of BT.601 luma (``luma.luma``), averaged over frames.
Unit: dB. Range: 0 upwards, higher is closer; infinite for equal clips.
"""

from __future__ import annotations

import math

import numpy as np

from evaluation.luma import PEAK, Luma

EQUAL_FRAME_DB = 100.0
"""What a frame without any difference counts in the mean of a clip that has others."""


def psnr(luma: Luma, reference: Luma) -> float:
    """PSNR of two pictures ``[h, w]`` with peak 255, in dB; ``math.inf`` if they are equal."""
    error = float(np.mean((luma - reference) ** 2))
    return math.inf if error == 0 else 10 * math.log10(PEAK**2 / error)


class MeanPsnr:
    """The mean over frames. Equal frames count 100 dB, unless all are equal: then the mean is infinite."""

    def __init__(self) -> None:
        self._total, self._frames, self._equal = 0.0, 0, 0

    def add(self, value: float) -> None:
        """Count one frame's PSNR in dB."""
        self._frames += 1
        self._equal += math.isinf(value)
        self._total += min(value, EQUAL_FRAME_DB)

    @property
    def value(self) -> float:
        """The mean in dB; NaN without frames."""
        if self._frames == 0:
            return math.nan
        return math.inf if self._equal == self._frames else self._total / self._frames
