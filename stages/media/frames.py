"""Frames in files of their own: what split hands to the networks, and what the networks hand to assemble.

Reading gives R'G'B' in float32; writing rounds to the nearest code value of at least 10 bits. See ``colour`` for the
equations and for what happens to untagged video, ``chroma`` for the filters.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, Self

import av
import numpy as np
from numpy.typing import NDArray

from stages.contract import ItemError
from stages.media.chroma import enlarge, reduce, siting_offset
from stages.media.colour import (
    ColourTags,
    Matrix,
    Range,
    codes,
    gray_from_rgb,
    rgb_from_gray,
    rgb_from_yuv,
    yuv_from_rgb,
)
from stages.media.ffmpeg import file_url
from stages.media.ffv1 import OutputFormat, PictureWriter, repack
from stages.media.planes import Layout, components, frame_of, layout
from stages.media.probe import colour_tags, format_kind
from stages.media.table import FrameTable, read_table

__all__ = [
    *("FrameTable", "FrameWriter", "LosslessWriter", "OutputFormat", "output_format", "read_frames", "read_pictures"),
    *("read_table", "rgb_format", "rgb_from_picture", "picture_from_rgb"),
]

FRAMES_NAME = "frames.mkv"
Rgb = NDArray[np.float32]


def read_pictures(path: Path) -> Iterator[av.VideoFrame]:
    """The decoded pictures of an FFV1 file that Reelift wrote, in order, as code values.

    Raises:
        ItemError: the file cannot be read to its end.
    """
    try:
        with av.open(file_url(path), "r", format="matroska", options={"protocol_whitelist": "file"}) as container:
            container.streams.video[0].thread_type = "SLICE"
            yield from container.decode(video=0)
    except av.error.FFmpegError as error:
        raise ItemError(f"{path}: damaged frame file ({error.strerror}); delete the artifact and run again") from None


def rgb_from_picture(picture: av.VideoFrame, colour: ColourTags) -> Rgb:
    """One picture in a format that FFV1 holds -> R'G'B' [h, w, 3], float32 in [0, 1]. Alpha is left out."""
    arrays = components(picture)
    shape = layout(picture.format.name)
    if shape.components == 1:
        return rgb_from_gray(arrays[0], shape.bits, colour)
    if colour.matrix is Matrix.RGB:
        scale = np.float32(1 / (2**shape.bits - 1))
        return np.stack([array.astype(np.float32) * scale for array in arrays], axis=2)
    across, down = shape.factors
    chroma = []
    for array in arrays[1:]:
        plane = array.astype(np.float32)
        plane = enlarge(plane, down, siting_offset(down, True), 0, picture.height)
        chroma.append(enlarge(plane, across, siting_offset(across, colour.siting == "centre"), 1, picture.width))
    return rgb_from_yuv(arrays[0], chroma[0], chroma[1], shape.bits, colour)


def picture_from_rgb(rgb: Rgb, fmt: OutputFormat) -> av.VideoFrame:
    """R'G'B' [h, w, 3] in [0, 1] (clipped) -> a picture of ``fmt``, rounded to the nearest code value.

    Raises:
        ValueError: ``rgb`` has another size than ``fmt``, or holds values that are not finite.
    """
    if rgb.shape != (fmt.height, fmt.width, 3):
        raise ValueError(f"frame of shape {rgb.shape} for a file of {fmt.height}x{fmt.width}")
    if not np.isfinite(rgb).all():
        raise ValueError("frame holds values that are not finite")
    shape = layout(fmt.pix_fmt)
    planes = _planes(np.asarray(rgb, np.float32), shape, fmt.colour)
    return frame_of([codes(plane, shape.bits) for plane in planes], fmt.pix_fmt, fmt.width, fmt.height)


def _planes(rgb: Rgb, shape: Layout, colour: ColourTags) -> list[NDArray[np.float32]]:
    if shape.components == 1:
        return [gray_from_rgb(rgb, shape.bits, colour)]
    if colour.matrix is Matrix.RGB:
        return [rgb[..., i] * np.float32(2**shape.bits - 1) for i in range(3)]
    luma, *chroma = yuv_from_rgb(rgb, shape.bits, colour)
    across, down = shape.factors
    offset = siting_offset(across, colour.siting == "centre")
    return [luma, *(reduce(reduce(c, across, offset, 1), down, siting_offset(down, True), 0) for c in chroma)]


def read_frames(source: Path) -> Iterator[Rgb]:
    """The frames of a chunk folder, or of one file that ``FrameWriter`` wrote: R'G'B' [h, w, 3], float32 in [0, 1].

    Raises:
        ItemError: the file cannot be read to its end.
    """
    folder = source.is_dir()
    path = source / FRAMES_NAME if folder else source
    colour = read_table(source).colour if folder else file_colour(path)
    for picture in read_pictures(path):
        yield rgb_from_picture(picture, colour)


def file_colour(path: Path) -> ColourTags:
    """The meaning of the code values of a Matroska file that Reelift wrote."""
    with av.open(file_url(path), "r", format="matroska", options={"protocol_whitelist": "file"}) as container:
        context = container.streams.video[0].codec_context
        tags = (context.colorspace, context.color_range, context.color_primaries, context.color_trc)
        return colour_tags(context.pix_fmt, context.width, context.height, tags)


def output_format(table: FrameTable, width: int, height: int, depth: int = 10) -> OutputFormat:
    """The format in which restored frames of a chunk are kept: the source's chroma family, at ``depth`` bits or more.

    4:2:0, 4:2:2, 4:4:0 and 4:4:4 stay what they are; 4:1:1 and 4:1:0 become 4:2:2 and 4:2:0, which hold more, as FFV1
    has no 10 bits for them. R'G'B' becomes gbrp, grey stays grey, alpha is left out. The shape of the picture is
    kept: where width and height grow by different factors, the sample aspect ratio makes up for it. Chroma is sited
    left.

    Args:
        table: the chunk's.
        width: columns of the restored frames.
        height: rows of the restored frames.
        depth: at least this many bits; 10, 12, 14 or 16.
    """
    shape = layout(table.pix_fmt)
    bits = next(each for each in (10, 12, 14, 16) if each >= max(depth, shape.bits))
    family = {(1, 1): "444", (2, 1): "422", (4, 1): "422", (2, 2): "420", (4, 4): "420", (1, 2): "440"}[shape.factors]
    if family == "440" and bits > 12:
        family = "444"
    kind = format_kind(table.pix_fmt)
    names = {"rgb": f"gbrp{bits}le", "gray": f"gray{bits}le", "yuv": f"yuv{family}p{bits}le"}
    pix_fmt = f"yuv{family}p16le" if kind == "yuv" and bits == 16 else names[kind]
    sar = table.sar * Fraction(table.width * height, table.height * width)
    colour = table.colour.model_copy(update={"siting": "left"})
    return OutputFormat(width, height, pix_fmt, _writable_rate(table.rate), sar, colour, table.woven)


def rgb_format(width: int, height: int, depth: int = 10, rate: Fraction = Fraction(25)) -> OutputFormat:
    """A format for frames that stay inside the pipeline: R'G'B' without subsampling."""
    colour = ColourTags(matrix=Matrix.RGB, range=Range.FULL)
    return OutputFormat(width, height, f"gbrp{depth}le", rate, Fraction(1), colour)


def _writable_rate(rate: Fraction) -> Fraction:
    return rate if 1 <= rate <= 480 else Fraction(25)


class FrameWriter:
    """Writes float frames to an FFV1 file; see ``PictureWriter`` for its promises."""

    def __init__(self, path: Path, fmt: OutputFormat) -> None:
        self.format = fmt
        self._file = PictureWriter(path, fmt)

    def write(self, rgb: Rgb) -> None:
        """Append one frame: R'G'B' [h, w, 3] in [0, 1]. Errors as ``picture_from_rgb``."""
        self._file.put(picture_from_rgb(rgb, self.format))

    @property
    def count(self) -> int:
        """Frames written so far."""
        return self._file.count

    def close(self) -> None:
        """Finish the file; without frames none is made."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: Any) -> None:
        self.close()


class LosslessWriter:
    """Writes decoded pictures as they are; only pixel formats that FFV1 lacks are repacked (see ``repack``)."""

    def __init__(self, path: Path, table: FrameTable) -> None:
        rate = _writable_rate(table.rate)
        fmt = OutputFormat(table.width, table.height, table.pix_fmt, rate, table.sar, table.colour)
        self._file = PictureWriter(path, fmt)

    def write(self, picture: av.VideoFrame) -> None:
        """Append one picture of the table's size, in its pixel format or one that is repacked into it."""
        self._file.put(repack(picture))

    def close(self) -> None:
        """Finish the file; without pictures none is made."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: Any) -> None:
        self.close()
