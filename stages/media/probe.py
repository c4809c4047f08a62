"""What a video file holds. Files are hostile until shown otherwise: they are opened as one of a few container formats
that carry their own data, and no protocol but ``file`` can be reached from them."""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import av
from av.stream import Disposition

from stages.contract import ItemError
from stages.media.colour import ColourTags, decide_matrix, decide_range, matrix_reason
from stages.media.ffmpeg import CONTAINERS, file_url
from stages.media.sequence import SequenceContainer

_OPTIONS = {"protocol_whitelist": "file", "format_whitelist": ",".join(CONTAINERS)}
_WESTERN = "reelift-western"
"""How tags are read that are not UTF-8: mostly those of AVI, in whose time programs wrote the code page of Windows."""
_CLOCK = re.compile(r"^(\d+):(\d+):(\d+(?:\.\d+)?)$")
_LARGEST = 1 << 27
_NO_AVERAGE = ("h264", "hevc", "m4v", "mpegvideo", "obu", "av1", "vc1", "dirac", "gxf")
"""Formats of which FFmpeg's average is no rate of frames: its own assumption of 25, or fields of GXF."""
_LONGEST_STREAM = ("asf", "wtv")
"""Formats whose streams have the duration of the longest of them, as FFmpeg reads them."""
_STILL = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image


def _western(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    return error.object[error.start : error.end].decode("cp1252", "replace"), error.end


codecs.register_error(_WESTERN, _western)


@dataclass(frozen=True, slots=True)
class StreamFacts:
    """One stream as its container describes it."""

    index: int
    type: str
    codec: str
    time_base: Fraction
    language: str | None


@dataclass(frozen=True, slots=True)
class VideoFacts:
    """A video file as its headers describe it; nothing has been decoded but what finding the format takes.

    Attributes:
        format: FFmpeg's name of the container format.
        streams: all streams, in order.
        index: the video stream that is restored, see ``video_stream``.
        codec: its codec.
        width, height: coded size in samples.
        pix_fmt: FFmpeg's name of its pixel format.
        time_base: seconds per tick of its timestamps.
        rate: nominal frames per second.
        sar: sample aspect ratio, 1 if unknown.
        colour: tags, decided where the file is silent.
        start: first timestamp in ticks, if the container says so.
        frames: number of frames, 0 if the container does not say so.
        duration: seconds, 0.0 if the container does not say so.
        promised: seconds of this very stream as its header has them, 0.0 if it has none: in Matroska and AVI up to its
            end, else from its beginning.
        matrix_reason: by what the colour matrix was decided.
        more_videos: number of further video streams that are no cover pictures; they are left out.
    """

    format: str
    streams: tuple[StreamFacts, ...]
    index: int
    codec: str
    width: int
    height: int
    pix_fmt: str
    time_base: Fraction
    rate: Fraction
    sar: Fraction
    colour: ColourTags
    start: int | None
    frames: int
    duration: float
    promised: float = 0.0
    matrix_reason: str = ""
    more_videos: int = 0

    @property
    def audio(self) -> tuple[StreamFacts, ...]:
        """The audio streams."""
        return tuple(stream for stream in self.streams if stream.type == "audio")


def open_video(
    path: Path, sequence_rate: Fraction = Fraction(24), options: Mapping[str, str] = MappingProxyType({})
) -> Any:
    """Open a video file, or a folder of images, for demuxing with PyAV; a context manager.

    Args:
        path: the file or folder.
        sequence_rate: frames per second of a folder of images.
        options: more of FFmpeg's, for a file.

    Raises:
        ItemError: there is no such file, it is empty, or it is not in a container format that Reelift reads.
    """
    if path.is_dir():
        return SequenceContainer(path, sequence_rate)
    if not path.is_file():
        raise ItemError(f"{path.name}: there is no such file")
    if path.stat().st_size == 0:
        raise ItemError(f"{path.name}: the file is empty; fetch it again from its origin")
    try:
        return av.open(file_url(path), "r", options={**_OPTIONS, **options}, metadata_errors=_WESTERN)
    except (av.error.FFmpegError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ItemError(f"{path.name}: cannot be opened as a video ({reason}); play it to see if it is whole") from None


def is_cover(stream: Any) -> bool:
    """Whether a video stream is a picture beside the video: cover art or thumbnails."""
    return bool(stream.disposition & _STILL)


def is_caption_stream(stream: Any) -> bool:
    """Whether a stream is a track of closed captions (QuickTime's c608)."""
    return stream.type == "subtitle" and stream.codec_context is not None and stream.codec_context.name == "cc_dec"


def video_stream(container: Any, name: str) -> Any:
    """The stream that is restored, which players show: the first video stream that is no cover picture.

    Where some are marked as default (in QuickTime: enabled), it is the first of those.

    Raises:
        ItemError: there is none, or FFmpeg has no decoder for it.
    """
    pictures = [stream for stream in container.streams.video if not is_cover(stream)]
    for stream in sorted(pictures, key=lambda each: not each.disposition & Disposition.default):
        if stream.codec_context is None or not stream.codec_context.width or not stream.codec_context.pix_fmt:
            codec = stream.codec_context.name if stream.codec_context is not None else "unknown codec"
            raise ItemError(f"{name}: video stream {stream.index} ({codec}) cannot be decoded")
        return stream
    kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "none"
    raise ItemError(f"{name}: no video stream (streams: {kinds}); give a file with video")


def format_kind(pix_fmt: str) -> Literal["yuv", "rgb", "gray"]:
    """The colour family of a pixel format; X'Y'Z' of digital cinema is converted to R'G'B'."""
    fmt = av.VideoFormat(pix_fmt)
    if fmt.is_rgb or fmt.has_palette or pix_fmt.startswith("xyz"):
        return "rgb"
    return "gray" if pix_fmt.startswith(("gray", "ya", "mono")) else "yuv"


def colour_tags(pix_fmt: str, width: int, height: int, tags: tuple[int, int, int, int], codec: str = "") -> ColourTags:
    """``tags`` (matrix, range, primaries, transfer as FFmpeg numbers them), decided where they are silent.

    Raises:
        ItemError: see ``decide_matrix``.
    """
    kind = format_kind(pix_fmt)
    code_range = 2 if pix_fmt.startswith("yuvj") else tags[1]
    return ColourTags(
        matrix=decide_matrix(tags[0], kind, width, height),
        range=decide_range(code_range, kind),
        primaries=tags[2],
        transfer=tags[3],
        siting="centre" if codec in ("mjpeg", "mpeg1video") else "left",
    )


def _rate(stream: Any, form: str) -> Fraction:
    average = None if form in _NO_AVERAGE else stream.average_rate  # what the stream says itself is in the guess
    for rate in (average, stream.guessed_rate, stream.base_rate):
        if rate and 0 < rate <= 1000:
            return Fraction(rate)
    return Fraction(25)


def describe(container: Any, name: str) -> VideoFacts:
    """The facts of an open container; ``name`` is for messages.

    Raises:
        ItemError: no video stream, or one that Reelift cannot restore.
    """
    stream = video_stream(container, name)
    context = stream.codec_context
    tags = (context.colorspace, context.color_range, context.color_primaries, context.color_trc)
    try:
        colour = colour_tags(context.pix_fmt, context.width, context.height, tags, context.name)
    except ItemError as error:
        raise ItemError(f"{name}: {error}") from None
    if context.width * context.height > _LARGEST:
        raise ItemError(f"{name}: frames of {context.width}x{context.height} are larger than Reelift restores")
    return VideoFacts(
        format=container.format.name,
        streams=tuple(_stream_facts(each) for each in container.streams),
        index=stream.index,
        codec=context.name,
        width=context.width,
        height=context.height,
        pix_fmt=context.pix_fmt,
        time_base=Fraction(stream.time_base),
        rate=_rate(stream, container.format.name),
        sar=Fraction(stream.sample_aspect_ratio or 1),
        colour=colour,
        start=stream.start_time,
        frames=stream.frames,
        duration=container.duration / av.time_base if container.duration else 0.0,
        promised=_promised(stream, container.format.name),
        matrix_reason=matrix_reason(context.colorspace, colour.matrix, context.height),
        more_videos=sum(not is_cover(each) for each in container.streams.video) - 1,
    )


def _promised(stream: Any, form: str) -> float:
    if form in _LONGEST_STREAM:
        return 0.0
    if form != "matroska,webm":
        return float(stream.duration * stream.time_base) if stream.duration and stream.time_base else 0.0
    # Matroska, too, has a duration of the longest stream, which FFmpeg gives to one whose beginning it has not seen.
    match = _CLOCK.match(stream.metadata.get("DURATION", ""))
    return sum(float(part) * unit for part, unit in zip(match.groups(), (3600, 60, 1), strict=True)) if match else 0.0


def _stream_facts(stream: Any) -> StreamFacts:
    return StreamFacts(
        index=stream.index,
        type=stream.type,
        codec=stream.codec_context.name if stream.codec_context is not None else "",
        time_base=Fraction(stream.time_base or 0),
        language=stream.metadata.get("language"),
    )


def probe(path: Path) -> VideoFacts:
    """Open, describe and close.

    Raises:
        ItemError: the file is missing, empty, no video, or nothing that Reelift can restore.
    """
    with open_video(path) as container:
        return describe(container, path.name)
