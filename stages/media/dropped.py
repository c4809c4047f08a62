"""What pictures carry that the result does not: alpha, and metadata of high dynamic range."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import av
import numpy as np

_METADATA = {
    "MASTERING_DISPLAY_METADATA": "mastering display (SMPTE ST 2086)",
    "CONTENT_LIGHT_LEVEL": "MaxCLL and MaxFALL",
    "DYNAMIC_HDR_PLUS": "HDR10+ metadata",
    "DYNAMIC_HDR_VIVID": "HDR Vivid metadata",
    "DOVI_METADATA": "Dolby Vision metadata",
    "DOVI_RPU_BUFFER": "Dolby Vision metadata",
}
"""PyAV's names of side data -> what people call it."""


def has_palette(pix_fmt: str, codec: str) -> bool:
    """Whether pictures are coloured by palettes, whose format has alpha even where nobody put any."""
    return pix_fmt == "pal8" or codec == "gif"


def is_see_through(picture: av.VideoFrame) -> bool:
    """Whether anything in a picture of ``bgra`` is not opaque."""
    plane = picture.planes[0]
    samples = np.frombuffer(memoryview(plane), np.uint8).reshape(picture.height, plane.line_size)
    return bool((samples[:, 3 : 4 * picture.width : 4] < 255).any())


def has_alpha(stream: Any, pix_fmts: Iterable[str]) -> bool:
    """Whether a video has an alpha channel: by its pixel formats, or beside the pictures, as VP8 and VP9 have it."""
    return stream.metadata.get("alpha_mode") == "1" or any(
        component.is_alpha for name in pix_fmts for component in av.VideoFormat(name).components
    )


def metadata_of(picture: av.VideoFrame) -> frozenset[str]:
    """The metadata of high dynamic range that a picture carries, as people call it."""
    try:
        return frozenset(_METADATA[side.type.name] for side in picture.side_data if side.type.name in _METADATA)
    except ValueError:  # side data of a type that PyAV does not know
        return frozenset()
