"""The tapes and files that archives really have, made by ffmpeg: a texture that moves, a few seconds at most."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from caption_bytes import captioned
from edit_lists import edited

from stages.media.ffmpeg import ffmpeg_program

TONE = "-f lavfi -i sine=frequency=440:sample_rate=48000:duration=1"
MPEG2 = "-c:v mpeg2video -b:v 4M OUT"
FRAGMENTS = "-movflags frag_keyframe+empty_moov"
FIELDS = "-c:v mpeg2video -flags +ilme+ildct -b:v 4M OUT"


def ffmpeg(words: str, folder: Path) -> None:
    """Run ffmpeg in ``folder``; the last word names the output.

    On one thread, so that a clip is the same whenever it is made: the packets of mpeg2video on several are not, and
    where one happens to end within a start code, FFmpeg gives a picture the timestamp of the next.
    """
    *options, output = shlex.split(words)
    line = [ffmpeg_program(), "-nostdin", "-hide_banner", "-loglevel", "error", "-y", *options, "-threads", "1", output]
    done = subprocess.run(line, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{words}\n{done.stderr}"


def moving(rate: str = "25", seconds: float = 1, width: int = 64, height: int = 48, step: int = 3) -> str:
    """Input and filter of a texture that moves ``step`` samples a frame; more filters may follow after a comma."""
    return (
        f"-loop 1 -r {rate} -t {seconds} -i texture.png "
        f"-vf crop={width}:{height}:mod({step}*n\\\\,400):0,format=yuv420p"
    )


def write_texture(folder: Path) -> None:
    """The picture that all clips show."""
    noise = cv2.GaussianBlur(np.random.default_rng(1).random((64, 600, 3)).astype(np.float32), (0, 0), 1.2)
    noise = (noise - noise.min()) / (noise.max() - noise.min())
    cv2.imwrite(str(folder / "texture.png"), (noise * 200 + 28).astype(np.uint8))


@dataclass(frozen=True)
class Odd:
    """One clip.

    Attributes:
        words: what ffmpeg is told, texture and file names aside; ``OUT`` stands for the clip.
        after: done to the file when it is there.
        treatment: what must be decided about its fields, "" for nothing in particular.
        order: which field must be measured as the first.
        frames: how many come out, None for as many as there are.
        audio: streams that go along.
        tags: of the container that must be there.
        sar: sample aspect ratio of source and result.
        pix_fmt: of the result.
        colour: matrix, range, primaries, transfer of the result.
        damaged: whether damage must be reported.
        plain: whether the times of the decoded pictures are what is expected.
    """

    words: str
    after: Callable[[Path], None] | None = None
    treatment: str = "progressive"
    order: str = ""
    frames: int | None = None
    audio: int = 0
    subtitles: int = 0
    chapters: int = 0
    attachments: int = 0
    tags: dict[str, str] = field(default_factory=dict)
    sar: str = "1:1"
    pix_fmt: str = "yuv420p10le"
    colour: tuple[int | None, int | None, int | None, int | None] = (None, None, None, None)
    rotation: int = 0
    damaged: bool = False
    plain: bool = True


def interlaced(first: str) -> str:
    """Fields of 50 pictures a second woven into 25 frames."""
    return f"{moving('50')},tinterlace=interleave_{first}"


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 400] = bytes(400)
    path.write_bytes(data)


def again(before: str, after: str = "") -> Callable[[Path], None]:
    """Copy the packets once more, with options before the input and before the output."""

    def copy(path: Path) -> None:
        old = path.rename(path.with_name(f"old-{path.name}"))
        ffmpeg(f"{before} -i {old.name} -c copy {after} {path.name}", path.parent)

    return copy


EARLIER = again("-itsoffset -0.2 -copyts", "-avoid_negative_ts disabled")


def two_sizes(path: Path) -> None:
    ffmpeg(f"{moving(width=96, height=64)} -c:v mpeg2video -b:v 4M -f mpegts second.ts", path.parent)
    path.write_bytes(path.read_bytes() + (path.parent / "second.ts").read_bytes())


EDITABLE = f"{TONE} {moving()} -c:v libx264 -bf 2 -g 12 -c:a aac -t 1 OUT"


CLIPS: dict[str, Odd] = {
    "pal-tff.mpg": Odd(f"{interlaced('top')},setfield=tff {FIELDS}", None, "deinterlaced", "tff"),
    "pal-bff.mpg": Odd(f"{interlaced('bottom')},setfield=bff {FIELDS}", None, "deinterlaced", "bff"),
    "mislabelled.mpg": Odd(f"{interlaced('bottom')},setfield=tff {FIELDS}", None, "deinterlaced", "bff"),
    "flagged-not.mpg": Odd(f"{interlaced('top')},setfield=prog {MPEG2}", None, "deinterlaced", "tff"),
    "ntsc-bff.mpg": Odd(
        f"{moving('60000/1001')},tinterlace=interleave_bottom,setfield=bff {FIELDS}", None, "deinterlaced", "bff"
    ),
    "field-coded.ts": Odd(
        f"{interlaced('top')},setfield=tff -c:v libx264 -x264-params tff=1 -b:v 2M OUT", None, "deinterlaced", "tff"
    ),
    "dv.avi": Odd(
        f"{TONE} {moving()},scale=720:576,setsar=16/15 -c:v dvvideo -c:a pcm_s16le -t 0.4 OUT", audio=1, sar="16:15"
    ),
    "dv.mov": Odd(
        f"{moving('30000/1001')},scale=720:480,setsar=8/9 -c:v dvvideo -pix_fmt yuv411p -t 0.4 "
        "-timecode 01:00:00:00 OUT",
        sar="8:9",
        pix_fmt="yuv422p10le",
        tags={"timecode": "01:00:00:00"},
    ),
    "telecine.mpg": Odd(
        f"{moving('24000/1001', 2)},telecine=first_field=top:pattern=23 {FIELDS}",
        *(None, "inverse telecine", "tff", 48),
        plain=False,
    ),
    "pal-pulldown.mpg": Odd(
        f"{moving('24', 2)},telecine=first_field=top:pattern=222222222223,setfield=tff {FIELDS}",
        *(None, "progressive, deinterlaced", "tff", 50),
    ),
    "film-and-video.mkv": Odd(
        "-loop 1 -r 24000/1001 -t 2 -i texture.png -loop 1 -r 60000/1001 -t 1 -i texture.png -filter_complex "
        "[0]crop=64:48:3*n:0,format=yuv420p,telecine=first_field=bottom:pattern=23,fps=30000/1001[a];"
        "[1]crop=64:48:3*n:0,format=yuv420p,tinterlace=interleave_bottom,fps=30000/1001[b];[a][b]concat -c:v ffv1 OUT",
        None,
        "inverse telecine, deinterlaced",
        "bff",
        plain=False,
    ),
    "vfr.mkv": Odd(f"{moving()},setpts=PTS+mod(N\\\\,3)*0.3/25/TB -fps_mode vfr -c:v libx264 OUT"),
    "bframes-offset.mp4": Odd(f"-itsoffset 0.5 {moving()} -c:v libx264 -bf 3 -g 12 OUT"),
    "edit-list.mp4": Odd(f"{TONE} {moving()} -c:v libx264 -bf 3 -c:a aac -movflags +faststart OUT", audio=1),
    "edit-skips.mp4": Odd(EDITABLE, edited((0.6, 0.2)), audio=1, frames=15),
    "edit-empty.mp4": Odd(EDITABLE, edited((0.4, -1), (1.0, 0)), audio=1, frames=25),
    "edit-late-cut.mp4": Odd(EDITABLE, edited((0.8, -1), (0.4, 0.4)), audio=1, frames=10),
    "edit-late.mp4": Odd(EDITABLE, edited((0.8, -1), (0.32, 0.64)), audio=1, frames=8),
    "edit-cuts.mp4": Odd(EDITABLE, edited((0.2, 0), (0.4, 0.52)), audio=1, frames=15),
    "edit-repeats.mp4": Odd(EDITABLE, edited((0.4, 0.12), (0.4, 0.12)), audio=1, frames=20),
    "negative.mp4": Odd(f"{moving()} -c:v libx264 -bf 2 -movflags negative_cts_offsets -use_editlist 0 OUT"),
    "negative.mkv": Odd(f"{moving()} -c:v libx264 -bf 2 OUT", EARLIER, plain=False),
    "negative-both.mkv": Odd(f"{TONE} {moving()} -c:v ffv1 -c:a flac OUT", EARLIER, audio=1),
    "negative-sound.mkv": Odd(
        f"-itsoffset -0.2 {TONE} {moving()} -c:v ffv1 -c:a flac -avoid_negative_ts disabled OUT", audio=1
    ),
    "negative-primed.mkv": Odd(f"{TONE} {moving()} -c:v ffv1 -c:a aac OUT", EARLIER, audio=1),
    "wraps.ts": Odd(f"{TONE} {moving()} -output_ts_offset 95441.8 -c:a mp2 {MPEG2}", audio=1),
    "hevc10.mkv": Odd(f"{moving()} -c:v libx265 -x265-params log-level=none -pix_fmt yuv420p10le OUT"),
    "raw.drc": Odd(
        f"{moving('30000/1001')},scale=720:480,format=yuv420p -c:v vc2 -strict -1 -b:v 80M -t 0.3 -f dirac OUT",
        plain=False,
    ),
    "prores.mov": Odd(f"{moving()} -c:v prores_ks -pix_fmt yuv422p10le OUT", pix_fmt="yuv422p10le"),
    "gray10.mkv": Odd(f"{moving()} -c:v ffv1 -pix_fmt gray10le OUT", pix_fmt="gray10le"),
    "rgb.mkv": Odd(f"{moving()} -c:v ffv1 -pix_fmt bgr0 OUT", pix_fmt="gbrp10le"),
    "full-range.mkv": Odd(
        f"{moving()},scale=out_range=full -c:v ffv1 -pix_fmt yuv444p -color_range pc OUT",
        pix_fmt="yuv444p10le",
        colour=(None, 2, None, None),
    ),
    "bt2020-pq.mkv": Odd(
        f"{moving()},setparams=colorspace=bt2020nc:color_primaries=bt2020:color_trc=smpte2084:range=limited "
        "-c:v ffv1 -pix_fmt yuv420p10le OUT",
        colour=(9, 1, 9, 16),
    ),
    "bt709.mp4": Odd(
        f"{moving()},setparams=colorspace=bt709:color_primaries=bt709:color_trc=bt709:range=limited -c:v libx264 OUT",
        colour=(1, 1, 1, 1),
    ),
    "bt601.mp4": Odd(
        f"{moving()},setparams=colorspace=bt470bg:color_primaries=bt470bg:color_trc=bt470bg:range=limited "
        "-c:v libx264 OUT",
        colour=(5, 1, 5, 5),
    ),
    "untagged-pal.avi": Odd(f"{moving(width=80, height=64)},scale=90:576 -c:v mpeg4 -t 0.3 OUT", colour=(5, 1, 2, 2)),
    "untagged-ntsc.avi": Odd(f"{moving()},scale=90:480 -c:v mpeg4 -t 0.3 OUT", colour=(6, 1, 2, 2)),
    "sar.mkv": Odd(f"{moving()},setsar=16/15 -c:v ffv1 OUT", sar="16:15"),
    "rotated.mp4": Odd(f"{moving()} -c:v libx264 OUT", again("-display_rotation 90"), rotation=90),
    "sizes.ts": Odd(f"{moving()} {MPEG2}", two_sizes, damaged=True, plain=False),
    "many-tracks.mkv": Odd(
        f"{TONE} -f lavfi -i aevalsrc=0.1*sin(200*t)|0|0|0|0|0:s=48000:d=1:c=5.1 {moving()} -map 2:v -map 0:a -map 0:a "
        "-map 1:a -c:v ffv1 -c:a:0 pcm_s24le -c:a:1 ac3 -c:a:2 flac -metadata title=Fest OUT",
        audio=3,
        tags={"title": "Fest"},
    ),
    "rich.mkv": Odd(
        f"-f ffmetadata -i chapters.txt -i words.srt {moving()} -map 2:v -map 1:s -c:v ffv1 -c:s srt -map_metadata 0 "
        "-map_chapters 0 -attach note.txt -metadata:s:t mimetype=text/plain -metadata:s:s:0 language=deu OUT",
        subtitles=1,
        chapters=2,
        attachments=1,
        tags={"title": "Das Fest"},
    ),
    "cover.mp4": Odd(
        f"-i texture.png {moving()} -map 1:v -map 0:v -c:v:0 libx264 -c:v:1 png -disposition:v:1 attached_pic OUT",
        attachments=1,
    ),
    "timecode.mov": Odd(f"{moving()} -c:v mpeg4 -timecode 10:11:12:13 OUT", tags={"timecode": "10:11:12:13"}),
    "captions.m2v": Odd(f"{moving()} -c:v mpeg2video -b:v 4M -bf 0 OUT", captioned, subtitles=1, plain=False),
    "no-times.avi": Odd(f"{moving()} -c:v mpeg4 -bf 2 OUT", plain=False),
    "breaks-off.mp4": Odd(
        f"{moving(seconds=2)} -c:v libx264 -bf 0 -g 5 -movflags frag_keyframe+empty_moov OUT",
        cut_off,
        damaged=True,
        plain=False,
    ),
    "breaks-off.mkv": Odd(f"{moving()} -c:v ffv1 OUT", cut_off, damaged=True),
    "damaged-gop.mpg": Odd(f"{moving()} -c:v mpeg2video -b:v 4M -g 12 OUT", damage, damaged=True, plain=False),
    "damaged.ts": Odd(f"{moving()} -c:v libx264 -b:v 1M -g 12 OUT", damage, damaged=True, plain=False),
    "slow.mkv": Odd(f"{moving('1', 3)} -c:v ffv1 OUT"),
    "fast.mkv": Odd(f"{moving('120', 0.3)} -c:v ffv1 OUT"),
    "one-frame.mov": Odd(f"{moving('25', 0.04)} -c:v mpeg4 OUT"),
}
"""By file name; the suffix chooses the container."""


def write_notes(folder: Path) -> None:
    """The texture, a note, a subtitle and two chapters."""
    write_texture(folder)
    (folder / "note.txt").write_text("signed by hand")
    (folder / "words.srt").write_text("1\n00:00:00,120 --> 00:00:00,600\nGrüß Gott\n\n")
    chapter = "[CHAPTER]\nTIMEBASE=1/1000\nSTART={}\nEND={}\ntitle={}\n"
    chapters = chapter.format(0, 400, "Anfang") + chapter.format(400, 1000, "Ende")
    (folder / "chapters.txt").write_text(f";FFMETADATA1\ntitle=Das Fest\n{chapters}")


def make(name: str, folder: Path) -> Path:
    """Write a clip into ``folder``."""
    odd, path = CLIPS[name], folder / name
    write_notes(folder)
    ffmpeg(odd.words.replace("OUT", name), folder)
    if odd.after:
        odd.after(path)
    return path
