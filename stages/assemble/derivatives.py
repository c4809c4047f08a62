"""Copies for use, made from the finished master: videos by the ffmpeg program, images see ``image_folder``."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import ffmpeg
from av.stream import Disposition

from stages.assemble.config import DerivativeConfig, Kind
from stages.assemble.image_folder import GAPS, IMAGES, make_images, without_subtitles
from stages.assemble.joining import AssemblyError
from stages.assemble.rates import STANDARD
from stages.assemble.ticks import TICK
from stages.media.ffmpeg import FfmpegError, file_url, open_input, run
from stages.media.probe import format_kind, probe


@dataclass(frozen=True, slots=True)
class _Recipe:
    suffix: str
    pix_fmt: str
    video: dict[str, str]
    audio: dict[str, str] = field(default_factory=lambda: {"c:a": "aac", "b:a": "256k"})
    crf: int | None = None
    muxer: str = "mp4"
    woven: str = ""  # flags with which the encoder treats pictures of two fields as such, if it can


_X265 = "log-level=error:pools=2:frame-threads=1"
_RECIPES: dict[Kind, _Recipe] = {
    "prores": _Recipe(
        ".prores.mov",
        "yuv422p10le",
        {"c:v": "prores_ks", "profile:v": "3", "vendor": "apl0"},
        {"c:a": "pcm_s24le"},
        muxer="mov",
        woven="+ildct",
    ),
    "h264": _Recipe(
        ".h264.mp4",
        "yuv420p",
        {"c:v": "libx264", "preset": "medium", "threads": "2"},
        crf=18,
        woven="+ildct+ilme",
    ),
    "h265": _Recipe(
        ".h265.mp4",
        "yuv420p10le",
        {
            "c:v": "libx265",
            "preset": "medium",
            "tag:v": "hvc1",
            "x265-params": _X265,
        },
        crf=20,
    ),
    "av1": _Recipe(".av1.mp4", "yuv420p10le", {"c:v": "libsvtav1", "preset": "6", "svtav1-params": "lp=2"}, crf=24),
}


_PROGRESSIVE = 1
"""FFmpeg's AV_FIELD_PROGRESSIVE; what is more is interlaced."""
_SVT_FASTEST = 240
_MOST_CHANNELS = 8
_LAYOUTS = ("mono", "stereo", "3.0", "4.0", "5.0", "5.1", "6.1", "7.1")
"""Of 1 to 8 channels, as AAC has them."""
_PASSING = ("No space left", "quota exceeded", "Cannot allocate memory", "Input/output error", "without a word")
"""What ffmpeg says when the machine is at fault: the next attempt may do better."""


@dataclass(frozen=True, slots=True)
class Derivatives:
    """What was made of a master.

    Attributes:
        made: files and folders.
        lacking: what they lack, as text.
        failed: which of them cannot be made, and why, as text.
    """

    made: tuple[Path, ...]
    lacking: tuple[str, ...]
    failed: tuple[str, ...]


def make_derivatives(
    master: Path, wanted: Iterable[DerivativeConfig], rate: Fraction | None, frames: int
) -> Derivatives:
    """Write every derivative of a master beside it. One that cannot be made is named: it is not worth the master.

    Args:
        master: the finished Matroska file.
        wanted: which.
        rate: its frame rate if it is constant.
        frames: how many it has.

    Raises:
        FfmpegError: the machine fails, not the master (see ``_PASSING``).
    """
    made: list[Path] = []
    lacking: list[str] = []
    failed: list[str] = []
    for each in wanted:
        target = derivative_of(master, each.kind)
        try:
            less = _make(master, target, each, rate, frames)
        except (FfmpegError, AssemblyError, av.error.FFmpegError) as error:
            _remove(target)
            if any(word in str(error) for word in _PASSING):
                raise
            failed.append(f"{target.name}, which cannot be made from the master ({error})")
        else:
            made.append(target)
            lacking += less
    return Derivatives(tuple(made), tuple(lacking), tuple(failed))


def derivative_of(master: Path, kind: Kind) -> Path:
    """The place of a derivative: a file beside its master, of images a folder."""
    return master.with_name(master.stem + (f".{kind}" if kind in IMAGES else _RECIPES[kind].suffix))


def _remove(target: Path) -> None:
    if target.is_dir():
        shutil.rmtree(target)
    target.unlink(missing_ok=True)


def _make(master: Path, target: Path, wanted: DerivativeConfig, rate: Fraction | None, frames: int) -> list[str]:
    if wanted.kind in IMAGES:
        found, lacking = make_images(master, target, wanted.kind)
    else:
        lacking = _encode(master, target, _RECIPES[wanted.kind], wanted.quality, rate, frames)
        found = _count(target)
    if found != frames:
        raise AssemblyError(f"it holds {found} frames, the master {frames}")
    return lacking


def _encode(
    master: Path, target: Path, recipe: _Recipe, quality: int | None, rate: Fraction | None, frames: int
) -> list[str]:
    source = open_input(master, apply_cropping=0)  # older versions of ffmpeg know of no clean aperture
    streams = [_picture(source["v:0"], master, recipe.pix_fmt, rate)]
    options = {**recipe.video, "map_metadata": "0", "map_metadata:s:v:0": "0:s:v:0"}
    with av.open(file_url(master), "r", format="matroska") as container:
        audio = [(stream.index, stream.layout, _marks(stream)) for stream in container.streams.audio]
        lacking = without_subtitles(container, target)
        if recipe.woven and container.streams.video[0].codec_context.field_order > _PROGRESSIVE:
            options["flags:v"] = recipe.woven
        if rate is None and _has_timecode(container) and container.streams.video[0].guessed_rate not in STANDARD:
            options["write_tmcd"] = "0"
            lacking.append(f"the time code in {target.name}: it counts frames of one rate, the master has it as a tag")
    options |= recipe.audio if audio else {}
    for number, (index, channels, marks) in enumerate(audio):
        stream = ffmpeg.filter(source[f"a:{number}"], "aresample", **GAPS)
        if recipe.audio["c:a"] == "aac":
            stream = _for_aac(stream, channels)
            if channels.nb_channels > _MOST_CHANNELS:
                which = f"channels {_MOST_CHANNELS + 1} to {channels.nb_channels} of stream {index}"
                lacking.append(f"{which} in {target.name}: AAC has {_MOST_CHANNELS}, the master has all")
        streams.append(stream)
        options |= {f"map_metadata:s:a:{number}": f"0:s:a:{number}", f"disposition:a:{number}": marks}
    if recipe.crf is not None:
        options["crf"] = str(recipe.crf if quality is None else quality)
    if rate is None and "svtav1-params" in options:
        options["svtav1-params"] += _mean_rate(master, frames)
    options["enc_time_base:v"] = str(_tick(rate))  # of the pictures alone: sound has its samples
    options |= {"fps_mode": "passthrough", "movflags": "+faststart", "fflags": "+bitexact"}
    run(ffmpeg.output(*streams, file_url(target), format=recipe.muxer, **options))
    return lacking


def _marks(stream: Any) -> str:
    """What a stream is marked as (default, for the visually impaired, ...), in ffmpeg's words."""
    return "+".join(str(mark.name) for mark in Disposition if mark & stream.disposition) or "0"


def _has_timecode(container: Any) -> bool:
    return any(key.lower() == "timecode" for key in {**container.metadata, **container.streams.video[0].metadata})


def _mean_rate(master: Path, frames: int) -> str:
    """The rate for SVT-AV1, which refuses one of more than 240: FFmpeg guesses up to 1000 where it varies."""
    seconds = Fraction(probe(master).promised).limit_denominator(1000)
    mean = min(Fraction(_SVT_FASTEST), frames / seconds if seconds else Fraction(25)).limit_denominator(1000)
    return f":fps-num={mean.numerator}:fps-denom={mean.denominator}"


def _for_aac(stream: Any, source: av.AudioLayout) -> Any:
    """Sound as AAC can have it: as it is, else its first channels, up to eight, each by itself: nothing is mixed.

    The first two of many are mostly the programme (EBU R 123 and R 48), and what the others are no file says.
    """
    context = av.CodecContext.create("aac", "w")
    context.sample_rate, context.format, context.layout = 48000, "fltp", source
    try:
        context.open()
    except av.error.FFmpegError:
        count = min(source.nb_channels, _MOST_CHANNELS)
        first = "|".join(map(str, range(count)))
        return ffmpeg.filter(stream, "channelmap", map=first, channel_layout=_LAYOUTS[count - 1])
    return stream


def _picture(stream: Any, master: Path, pix_fmt: str, rate: Fraction | None) -> Any:
    """Even sides for 4:2:0, Y'CbCr of BT.709 where the master is R'G'B', exact times where the rate is constant."""
    with av.open(file_url(master), "r", format="matroska") as container:
        context = container.streams.video[0].codec_context
        kind, odd = format_kind(context.pix_fmt), (context.width % 2, context.height % 2)
        if abs(next(container.decode(video=0)).rotation) % 180 == 90:  # ffmpeg turns the picture before all filters
            odd = odd[::-1]
    if any(odd):  # before chroma is shared by samples of which one would not be there
        stream = stream if kind == "rgb" else ffmpeg.filter(stream, "format", "yuv444p10le")
        stream = ffmpeg.filter(stream, "pad", f"iw+{odd[0]}", f"ih+{odd[1]}")
        stream = ffmpeg.filter(stream, "fillborders", right=odd[0], bottom=odd[1], mode="smear")
    if kind == "rgb":
        stream = ffmpeg.filter(stream, "scale", out_color_matrix="bt709", out_range="tv", flags="accurate_rnd")
        stream = ffmpeg.filter(stream, "format", pix_fmt)
        stream = ffmpeg.filter(stream, "setparams", colorspace="bt709", range="tv")
    stream = ffmpeg.filter(stream, "format", pix_fmt)
    stream = ffmpeg.filter(stream, "settb", str(_tick(rate)))
    return stream if rate is None else ffmpeg.filter(stream, "setpts", f"STARTPTS+N*{1 / rate / _tick(rate)}")


def _tick(rate: Fraction | None) -> Fraction:
    """Seconds of which the beginning of a video, in the master's milliseconds, and each frame of it are multiples."""
    return TICK if rate is None else Fraction(1, math.lcm(TICK.denominator, rate.numerator))


def _count(path: Path) -> int:
    with av.open(file_url(path), "r", options={"protocol_whitelist": "file"}) as container:
        return sum(bool(packet.size) for packet in container.demux(video=0))
