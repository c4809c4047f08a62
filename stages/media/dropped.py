"""What pictures carry that the result does not: alpha, and metadata that Matroska has no place for, or FFV1 not."""

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
    "AFD": "active format description (AFD)",
    "SPHERICAL": "spherical projection",
    "ICC_PROFILE": "ICC profile",
}
"""PyAV's names of side data -> what people call it."""
STEREO = "stereo 3D arrangement"
_FLAT = bytes(4)
"""FFmpeg's AV_STEREO3D_2D, at the beginning of side data of the type STEREO3D."""


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
    """The metadata that a picture carries and no restored picture does, as people call it."""
    try:
        sides = {side.type.name: side for side in picture.side_data}
    except ValueError:  # side data of a type that PyAV does not know
        return frozenset()
    stereo = "STEREO3D" in sides and bytes(sides["STEREO3D"])[:4] != _FLAT
    return frozenset([*(_METADATA[name] for name in sides if name in _METADATA), *([STEREO] if stereo else [])])


def has_timecode(picture: av.VideoFrame) -> bool:
    """Whether a picture itself carries a time code (MPEG-2's GOP, H.264's and H.265's SEI).

    Encoders that know of none begin at 0, which says nothing. FFmpeg may give the one of MPEG-2 to the picture before.
    """
    return bool(picture.metadata.get("timecode", "").strip("0:;."))
