"""FFV1 version 3 in Matroska: lossless, every frame by itself, every slice with a checksum (RFC 9043)."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
import numpy as np
from av.codec.codec import find_best_pix_fmt_of_list
from av.filter import Graph
from av.video.reformatter import Interpolation

from stages.media.account import Order
from stages.media.colour import ColourTags, codes
from stages.media.ffmpeg import file_url
from stages.media.planes import components

EXACT = (
    Interpolation.BICUBIC
    | Interpolation.FULL_CHR_H_INT
    | Interpolation.FULL_CHR_H_INP
    | Interpolation.ACCURATE_RND
    | Interpolation.BITEXACT
)
"""swscale without short cuts, the same on every processor."""

_GLOBAL_HEADER = 1 << 22
_BITEXACT = 1 << 23
_SLICES = ("4", "0", "1")
"""Numbers of slices to try. Version 3 cannot cut every odd size into 4; 0 lets the encoder choose by the size alone."""

_SAME_SAMPLES = {
    **{f"yuvj{name}p": f"yuv{name}p" for name in ("420", "422", "444", "440", "411")},
    **{"nv12": "yuv420p", "nv21": "yuv420p", "nv16": "yuv422p", "nv24": "yuv444p", "uyvy422": "yuv422p"},
    **{"yuyv422": "yuv422p", "p010le": "yuv420p10le", "p012le": "yuv420p12le", "p016le": "yuv420p16le"},
    **{"p210le": "yuv422p10le", "y210le": "yuv422p10le", "gray16be": "gray16le", "monow": "gray", "monob": "gray"},
    **{
        "rgb24": "bgr0",
        "bgr24": "bgr0",
        "rgb0": "bgr0",
        "gbrp": "bgr0",
        "rgb48le": "gbrp16le",
        "rgba64le": "gbrap16le",
    },
    **{"rgba": "bgra", "argb": "bgra", "abgr": "bgra", "gbrap": "bgra"},
    **{f"{name}{end}": "gray16le" for name in ("ya16", "yaf16", "yaf32", "grayf16", "grayf32") for end in ("le", "be")},
    **{f"xyz12{end}": "gbrp12le" for end in ("le", "be")},
}
"""Formats that FFV1 lacks -> formats that hold the same samples; for 16-bit grey with alpha, float grey and X'Y'Z', the
nearest of the same colour family."""


@dataclass(frozen=True, slots=True)
class OutputFormat:
    """What decides the bytes of an FFV1 file besides its samples.

    Attributes:
        width, height: size in samples.
        pix_fmt: one of FFV1's pixel formats.
        rate: nominal frames per second.
        sar: sample aspect ratio.
        colour: tags.
        woven: of interlaced pictures, which field comes first; "" of others.
    """

    width: int
    height: int
    pix_fmt: str
    rate: Fraction
    sar: Fraction
    colour: ColourTags
    woven: Order = ""


def held_formats() -> tuple[str, ...]:
    """The pixel formats that FFV1 holds and Reelift reads: all of its integer ones."""
    return tuple(f.name for f in av.Codec("ffv1", "w").video_formats if "f16" not in f.name and "f32" not in f.name)


def lossless_format(pix_fmt: str) -> str:
    """The pixel format of FFV1 that holds the samples of ``pix_fmt``: itself where possible, else the nearest."""
    held = held_formats()
    if pix_fmt in ("rgb48le", "rgba64le") or pix_fmt not in held:
        if pix_fmt in _SAME_SAMPLES:
            return _SAME_SAMPLES[pix_fmt]
        best, _ = find_best_pix_fmt_of_list([name for name in held if not name.startswith("rgb")], pix_fmt, True)
        return best.name if best is not None else "yuv444p16le"
    return pix_fmt


def repack(picture: av.VideoFrame) -> av.VideoFrame:
    """``picture`` in the pixel format of FFV1 that holds its samples; itself if it is in one already."""
    name = picture.format.name
    target = lossless_format(name)
    if target == name:
        return picture
    if name.startswith(("grayf", "yaf")):
        return _gray_of_floats(picture)
    full = {"src_color_range": 2, "dst_color_range": 2} if name.startswith("yuvj") else {}
    result = picture.reformat(format=target, interpolation=EXACT, threads=1, **full)
    if target == "bgr0" and picture.format.components[0].bits < 8:
        _stretch(result, [component.bits for component in picture.format.components])
    return result


def _stretch(picture: av.VideoFrame, bits: Sequence[int]) -> None:
    """Spread R, G and B of few bits from black to white. swscale shifts them, so that 31 of 5 bits becomes 248."""
    for plane, size in zip(components(picture), bits, strict=True):
        top = 2**size - 1
        levels = np.arange(256) >> (8 - size)
        plane[...] = np.round(levels * 255 / top).astype(np.uint8)[plane]


def _gray_of_floats(picture: av.VideoFrame) -> av.VideoFrame:
    """Y' of float grey, from 0 to 1, in 16 bits. swscale stretches its contrast, and ends the process at ``yaf32``."""
    name = picture.format.name
    dtype = np.dtype(("<" if name.endswith("le") else ">") + ("f4" if "f32" in name else "f2"))
    step = len(picture.format.components)
    rows = np.frombuffer(memoryview(picture.planes[0]), dtype).reshape(picture.height, -1)
    samples = np.nan_to_num(rows[:, : step * picture.width : step].astype(np.float32), nan=0.0)
    result = picture.reformat(format="grayf32le", threads=1).reformat(format="gray16le", threads=1)  # keeps all else
    components(result)[0][...] = codes(np.clip(samples, 0, 1) * np.float32(65535), 16)
    return result


def _configure(context: Any, fmt: OutputFormat, slices: str) -> None:
    context.width, context.height, context.pix_fmt = fmt.width, fmt.height, fmt.pix_fmt
    context.time_base, context.framerate = 1 / fmt.rate, fmt.rate
    context.sample_aspect_ratio = fmt.sar
    context.color_range, context.colorspace = int(fmt.colour.range), int(fmt.colour.matrix)
    context.color_primaries, context.color_trc = fmt.colour.primaries, fmt.colour.transfer
    context.flags |= _BITEXACT | _GLOBAL_HEADER
    context.options = {"level": "3", "coder": "1", "context": "0", "g": "1", "slicecrc": "1", "slices": slices}


@functools.lru_cache(maxsize=64)
def _slices(fmt: OutputFormat) -> str:
    for slices in _SLICES[:-1]:
        context = av.CodecContext.create("ffv1", "w")
        _configure(context, fmt, slices)
        try:
            context.open()
        except av.error.FFmpegError:
            continue
        return slices
    return _SLICES[-1]


def open_encoder(fmt: OutputFormat) -> Any:
    """An encoder context by itself; its packets fit into any stream of the same ``fmt`` (same extradata)."""
    context = av.CodecContext.create("ffv1", "w")
    _configure(context, fmt, _slices(fmt))
    context.open()
    return context


class FieldMarker:
    """Marks pictures as interlaced, as every frame of FFV1 says it of itself. PyAV cannot write that mark, FFmpeg's
    filter can."""

    def __init__(self, fmt: OutputFormat) -> None:
        self._graph: Graph | None = None
        if fmt.woven:
            self._graph = Graph()
            source = self._graph.add_buffer(
                width=fmt.width, height=fmt.height, format=av.VideoFormat(fmt.pix_fmt), time_base=1 / fmt.rate
            )
            nodes = source, self._graph.add("setfield", f"mode={fmt.woven}"), self._graph.add("buffersink")
            self._graph.link_nodes(*nodes).configure()

    def mark(self, picture: av.VideoFrame) -> av.VideoFrame:
        """``picture`` with the mark; itself where the format is not interlaced."""
        if self._graph is None:
            return picture
        self._graph.vpush(picture)
        return self._graph.vpull()


class PictureWriter:
    """Writes pictures to an FFV1 file; picture i is stamped i / rate. A file without pictures is not made.

    The same pictures give the same bytes, whichever process writes them.
    """

    def __init__(self, path: Path, fmt: OutputFormat) -> None:
        self.path = path
        self.format = fmt
        self.count = 0
        self._container: Any = None
        self._stream: Any = None
        self._marker = FieldMarker(fmt)

    def _open(self) -> None:
        self._container = av.open(file_url(self.path), "w", format="matroska", options={"fflags": "+bitexact"})
        self._stream = self._container.add_stream("ffv1", rate=self.format.rate)
        _configure(self._stream.codec_context, self.format, _slices(self.format))

    def put(self, picture: av.VideoFrame) -> None:
        """Append one picture of the writer's size and pixel format. Its timestamp is overwritten."""
        if self._container is None:
            self._open()
        picture.pts, picture.time_base = self.count, 1 / self.format.rate
        picture.pict_type = 0
        self._container.mux(self._stream.encode(self._marker.mark(picture)))
        self.count += 1

    def close(self) -> None:
        """Finish the file. A second call does nothing."""
        if self._container is not None:
            self._container.mux(self._stream.encode(None))
            self._container.close()
            self._container = self._stream = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self.close()
