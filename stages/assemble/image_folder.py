"""A folder of images, made from the finished master by our own conversion, and its sound."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import ffmpeg

from stages.assemble.ticks import TICK
from stages.media.ffmpeg import file_url, open_input, run
from stages.media.ffv1 import EXACT
from stages.media.frames import file_colour, picture_from_rgb, read_pictures, rgb_format, rgb_from_picture
from stages.media.planes import layout
from stages.media.probe import probe
from stages.wording import counted

IMAGES: dict[str, str] = {"dpx": "gbrp10le", "png": "rgb48be"}
"""Kinds of images -> their pixel formats at the least."""
GAPS = {"async": "1", "min_hard_comp": "0.02"}
"""Of aresample: gaps of sound that are as long as a packet become silence, as samples without times have no gaps."""


def make_images(master: Path, folder: Path, kind: str) -> tuple[int, list[str]]:
    """Write the pictures of a master as ``folder/00000001.dpx`` and so on, and ``sound.wav``.

    Returns:
        how many there are, and what the folder lacks, as text.

    Raises:
        FfmpegError: the sound cannot be written.
    """
    folder.mkdir()
    colour, sar = file_colour(master), probe(master).sar
    count = 0
    encoder = None
    for count, picture in enumerate(read_pictures(master), 1):
        bits = layout(picture.format.name).bits
        depth = 16 if kind == "png" or bits > 12 else bits
        fmt = rgb_format(picture.width, picture.height, depth)
        image = picture_from_rgb(rgb_from_picture(picture, colour), fmt)
        wanted = IMAGES[kind] if kind == "png" else {10: "gbrp10le", 12: "gbrp12le"}.get(depth, "rgb48le")
        if image.format.name != wanted:
            image = image.reformat(format=wanted, interpolation=EXACT, threads=1)
        if encoder is None:
            encoder = av.CodecContext.create(kind, "w")
            encoder.width, encoder.height, encoder.pix_fmt = image.width, image.height, wanted
            encoder.time_base = Fraction(1, 25)
            if kind == "dpx":  # FFmpeg writes and reads the two numbers of PNG's pHYs the wrong way round
                encoder.sample_aspect_ratio = sar
            encoder.options = {"threads": "1", "flags": "+bitexact"}
        image.pts = count
        (folder / f"{count:08d}.{kind}").write_bytes(b"".join(bytes(packet) for packet in encoder.encode(image)))
    return count, _sound(master, folder)


def _sound(master: Path, folder: Path) -> list[str]:
    """Write ``sound.wav``, which begins with the first picture; return what it lacks, as text."""
    with av.open(file_url(master), "r", format="matroska") as container:
        lacking = without_subtitles(container, folder)
        if not container.streams.audio:
            return lacking
        others = len(container.streams.audio) - 1
    picture, sound = _first(master, "video"), _first(master, "audio")
    if picture - sound >= TICK:
        early = f"{float(picture - sound):.3f} s"
        lacking.append(f"{early} of sound before the first picture in {folder.name}: the master has all")
    if others:
        lacking.append(f"{counted(others, 'audio stream')} in {folder.name}: the master has all")
    stream = ffmpeg.filter(open_input(master, copyts=None)["a:0"], "asetpts", f"PTS-{picture}/TB")
    stream = ffmpeg.filter(stream, "aresample", first_pts=0, **GAPS)
    options = {"c:a": "pcm_s24le", "fflags": "+bitexact", "rf64": "auto"}
    run(ffmpeg.output(stream, file_url(folder / "sound.wav"), format="wav", **options))
    return lacking


def without_subtitles(container: Any, target: Path) -> list[str]:
    """What is to be said of the subtitles of a master, open as ``container``, which no derivative has."""
    count = len(container.streams.subtitles)
    return [f"{counted(count, 'subtitle track')} in {target.name}: the master has all"] if count else []


def _first(master: Path, kind: str) -> Fraction:
    """Seconds at which the first stream of a kind is first shown or heard in the master; 0 if it never is."""
    with av.open(file_url(master), "r", format="matroska") as container:
        for packet in container.demux(**{kind: 0}):
            try:
                found = packet.decode()
            except av.error.FFmpegError:
                continue
            if found:
                return Fraction(found[0].pts * found[0].time_base)
    return Fraction(0)
