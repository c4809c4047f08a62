"""The part of a picture that a player shows: the clean aperture of MOV and MP4, PixelCrop of Matroska.

Decoded pictures hold all of it, and so do restored ones. What a codec itself crops is not part of the picture.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from stages.media.listing import listing

_STREAM = re.compile(r"^ *Stream #0:(\d+)", re.MULTILINE)
_CROPPING = re.compile(r"^ *Frame Cropping: (\d+)/(\d+)/(\d+)/(\d+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Crop:
    """Columns and rows at each side of a picture that are not shown."""

    left: int
    right: int
    top: int
    bottom: int

    def scaled(self, across: Fraction, down: Fraction) -> Crop:
        """The same of a picture that is so many times as wide and as high, to the nearest sample."""
        return Crop(
            *(round(each * across) for each in (self.left, self.right)),
            *(round(each * down) for each in (self.top, self.bottom)),
        )


def crop_of(container: Any, index: int) -> Crop | None:
    """What the header of an open container says is not shown of a video stream; None if it says nothing."""
    text = listing(container)
    begins = [(int(match[1]), match.start()) for match in _STREAM.finditer(text)]
    for (number, begin), (_, end) in zip(begins, [*begins[1:], (-1, len(text))], strict=True):
        found = _CROPPING.search(text, begin, end) if number == index else None
        if found:
            return Crop(*map(int, found.groups()))
    return None
