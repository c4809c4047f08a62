"""Luma above white and below black: restored pictures have none, as networks see R'G'B' from 0 to 1."""

from __future__ import annotations

import av
import numpy as np

from stages.media.colour import Range
from stages.media.planes import components
from stages.media.probe import format_kind

_BLACK, _WHITE = 16, 235
"""Codes of 8 bits in limited range (ITU-R BT.601, BT.709)."""
_MANY = 0.01
"""A share that is told. Nearly every camera and every lossy codec goes beyond in some samples."""


class Beyond:
    """Counts luma samples beyond black and white as limited range has them."""

    def __init__(self) -> None:
        self._samples = self._above = self._below = 0

    def add(self, picture: av.VideoFrame) -> None:
        """Count those of one picture in a format of FFV1; R'G'B' has none."""
        if format_kind(picture.format.name) == "rgb":
            return
        luma, more = components(picture)[0], picture.format.components[0].bits - 8
        self._samples += luma.size
        self._above += int(np.count_nonzero(luma > _WHITE << more))
        self._below += int(np.count_nonzero(luma < _BLACK << more))

    def shares(self, code_range: Range) -> dict[str, float]:
        """What is beyond, as a share of all samples; nothing in full range, which has no codes beyond."""
        if code_range is not Range.LIMITED or not self._samples:
            return {}
        counts = {"above white": self._above, "below black": self._below}
        return {where: round(count / self._samples, 6) for where, count in counts.items() if count}


def told(shares: dict[str, float]) -> list[str]:
    """The shares that people should know of, one text each."""
    return [f"luma {where} ({share:.1%} of samples)" for where, share in shares.items() if share >= _MANY]
