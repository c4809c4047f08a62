"""Copies for use, made from the finished master: videos by the ffmpeg program, images by our own conversion."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import ffmpeg

from stages.assemble.config import DerivativeConfig, Kind
from stages.assemble.joining import AssemblyError
from stages.media.ffmpeg import file_url, open_input, run
from stages.media.ffv1 import EXACT
from stages.media.frames import file_colour, picture_from_rgb, read_pictures, rgb_format, rgb_from_picture
from stages.media.planes import layout
from stages.media.probe import format_kind


@dataclass(frozen=True, slots=True)
class _Recipe:
    suffix: str
    pix_fmt: str
    video: dict[str, str]
    audio: dict[str, str] = field(default_factory=lambda: {"c:a": "aac", "b:a": "256k"})
    crf: int | None = None
    muxer: str = "mp4"


_X265 = "log-level=error:pools=2:frame-threads=1"
_RECIPES: dict[Kind, _Recipe] = {
    "prores": _Recipe(
        ".prores.mov",
        "yuv422p10le",
        {"c:v": "prores_ks", "profile:v": "3", "vendor": "apl0"},
        {"c:a": "pcm_s24le"},
        muxer="mov",
    ),
    "h264": _Recipe(".h264.mp4", "yuv420p", {"c:v": "libx264", "preset": "medium", "threads": "2"}, crf=18),
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
_IMAGES: dict[str, str] = {"dpx": "gbrp10le", "png": "rgb48be"}


def make_derivatives(
    master: Path, wanted: Iterable[DerivativeConfig], rate: Fraction | None, frames: int
) -> list[Path]:
    """Write every derivative of a master beside it.

    Args:
        master: the finished Matroska file.
        wanted: which.
        rate: its frame rate if it is constant.
        frames: how many it has.

    Returns:
        the files and folders.

    Raises:
        FfmpegError: ffmpeg failed.
        AssemblyError: a derivative has another number of frames.
    """
    made = []
    for each in wanted:
        if each.kind in _IMAGES:
            target = master.with_name(f"{master.stem}.{each.kind}")
            found = _images(master, target, each.kind)
        else:
            recipe = _RECIPES[each.kind]
            target = master.with_name(f"{master.stem}{recipe.suffix}")
            _encode(master, target, recipe, each.quality, rate)
            found = _count(target)
        if found != frames:
            raise AssemblyError(f"{target.name}: holds {found} frames, the master {frames}")
        made.append(target)
    return made


def _encode(master: Path, target: Path, recipe: _Recipe, quality: int | None, rate: Fraction | None) -> None:
    source = open_input(master)
    streams = [_picture(source["v:0"], master, recipe.pix_fmt, rate)]
    with av.open(file_url(master), "r", format="matroska") as container:
        audio = list(range(len(container.streams.audio)))
    streams += [source[f"a:{index}"] for index in audio]
    options = {**recipe.video, **(recipe.audio if audio else {})}
    if recipe.crf is not None:
        options["crf"] = str(recipe.crf if quality is None else quality)
    if rate is not None:
        options["enc_time_base"] = f"{rate.denominator}:{rate.numerator}"
    options |= {"fps_mode": "passthrough", "movflags": "+faststart", "map_metadata": "0", "fflags": "+bitexact"}
    run(ffmpeg.output(*streams, file_url(target), format=recipe.muxer, **options))


def _picture(stream: Any, master: Path, pix_fmt: str, rate: Fraction | None) -> Any:
    """Even sides for 4:2:0, Y'CbCr of BT.709 where the master is R'G'B', exact times where the rate is constant."""
    with av.open(file_url(master), "r", format="matroska") as container:
        context = container.streams.video[0].codec_context
        kind, odd = format_kind(context.pix_fmt), (context.width % 2, context.height % 2)
    if any(odd):  # before chroma is shared by samples of which one would not be there
        stream = stream if kind == "rgb" else ffmpeg.filter(stream, "format", "yuv444p10le")
        stream = ffmpeg.filter(stream, "pad", f"iw+{odd[0]}", f"ih+{odd[1]}")
        stream = ffmpeg.filter(stream, "fillborders", right=odd[0], bottom=odd[1], mode="smear")
    if kind == "rgb":
        stream = ffmpeg.filter(stream, "scale", out_color_matrix="bt709", out_range="tv", flags="accurate_rnd")
        stream = ffmpeg.filter(stream, "format", pix_fmt)
        stream = ffmpeg.filter(stream, "setparams", colorspace="bt709", range="tv")
    stream = ffmpeg.filter(stream, "format", pix_fmt)
    if rate is not None:
        stream = ffmpeg.filter(stream, "settb", f"{rate.denominator}/{rate.numerator}")
    return stream


def _count(path: Path) -> int:
    with av.open(file_url(path), "r", options={"protocol_whitelist": "file"}) as container:
        return sum(bool(packet.size) for packet in container.demux(video=0))


def _images(master: Path, folder: Path, kind: str) -> int:
    folder.mkdir()
    colour = file_colour(master)
    count = 0
    encoder = None
    for count, picture in enumerate(read_pictures(master), 1):
        bits = layout(picture.format.name).bits
        depth = 16 if kind == "png" or bits > 12 else bits
        fmt = rgb_format(picture.width, picture.height, depth)
        image = picture_from_rgb(rgb_from_picture(picture, colour), fmt)
        wanted = _IMAGES[kind] if kind == "png" else {10: "gbrp10le", 12: "gbrp12le"}.get(depth, "rgb48le")
        if image.format.name != wanted:
            image = image.reformat(format=wanted, interpolation=EXACT, threads=1)
        if encoder is None:
            encoder = av.CodecContext.create(kind, "w")
            encoder.width, encoder.height, encoder.pix_fmt = image.width, image.height, wanted
            encoder.time_base = Fraction(1, 25)
            encoder.options = {"threads": "1", "flags": "+bitexact"}
        image.pts = count
        (folder / f"{count:08d}.{kind}").write_bytes(b"".join(bytes(packet) for packet in encoder.encode(image)))
    _sound(master, folder / "sound.wav")
    return count


def _sound(master: Path, target: Path) -> None:
    with av.open(file_url(master), "r", format="matroska") as container:
        if not container.streams.audio:
            return
    options = {"c:a": "pcm_s24le", "fflags": "+bitexact", "rf64": "auto"}
    run(ffmpeg.output(open_input(master)["a:0"], file_url(target), format="wav", **options))
