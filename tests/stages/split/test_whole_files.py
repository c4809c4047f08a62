"""What the survey says of a file's end: nothing where it is whole, and how much is lacking where it is not."""

from __future__ import annotations

from pathlib import Path

import pytest
from odd_clips import TONE, ffmpeg, moving, write_texture

from stages.split.config import SplitConfig
from stages.split.survey import survey

_LONG_LAST = "-bsf:v setts=duration=if(eq(N\\\\,9)\\\\,4/TB\\\\,DURATION)"
_LATE = f"{TONE} {moving(seconds=0.4)},setpts=PTS+3/TB -map 0:a -map 1:v"
_UNSEEN = f"{TONE.replace('duration=1', 'duration=6')} {moving(seconds=0.4)},setpts=PTS+5/TB -map 0:a -map 1:v"


def damage(path: Path) -> list[str]:
    found = survey(path, SplitConfig())
    assert found is not None
    return [each.what for each in found.account.damage]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("late.mkv", f"{_LATE} -c:v libx264 -bf 0"),
        ("unseen.mkv", f"{_UNSEEN} -c:v libx264 -bf 0"),
        ("late.mp4", f"{_LATE} -c:v libx264 -bf 2"),
        ("late.ts", f"{_LATE} -c:v libx264 -bf 2"),
        ("slides.mkv", f"{moving(seconds=0.4)} -c:v libx264 -bf 0 {_LONG_LAST}"),
        ("slides.mp4", f"{moving(seconds=0.4)} -c:v libx264 -bf 0 {_LONG_LAST}"),
        ("longer_sound.wmv", f"{TONE.replace('duration=1', 'duration=4')} {moving(seconds=1)} -c:v wmv2 -c:a wmav2"),
        ("repeated.ogv", f"{moving(seconds=0.4)},fps=50 -c:v libtheora -q:v 9"),  # every other packet is empty
    ],
)
def test_a_whole_file_is_not_called_damaged(tmp_path: Path, name: str, words: str) -> None:
    write_texture(tmp_path)
    ffmpeg(f"{words} {name}", tmp_path)
    assert damage(tmp_path / name) == []


@pytest.mark.parametrize("late", [False, True])
def test_a_stream_that_ends_before_its_header_says_so_is_told(tmp_path: Path, late: bool) -> None:
    write_texture(tmp_path)
    source, end = tmp_path / "short.mkv", 3.4 if late else 0.4
    ffmpeg(f"{_LATE if late else moving(seconds=0.4)} -c:v libx264 -bf 0 {source.name}", tmp_path)
    announced = f"00:00:0{end:.9f}".encode()
    assert announced in source.read_bytes()
    source.write_bytes(source.read_bytes().replace(announced, announced.replace(b"00:00:", b"00:01:")))
    assert damage(source) == [f"the file announces {60 + end:.3f} s of video, it ends after {end:.3f} s"]


def test_a_wmv_that_breaks_off_is_told(tmp_path: Path) -> None:
    write_texture(tmp_path)
    source = tmp_path / "short.wmv"
    ffmpeg(f"{TONE} {moving(seconds=2)} -c:v wmv2 -b:v 1M -c:a wmav2 {source.name}", tmp_path)
    whole = source.read_bytes()
    source.write_bytes(whole[: len(whole) * 6 // 10])
    lacking = len(whole) - len(whole) * 6 // 10
    assert damage(source)[-1] == f"the file breaks off, at least {lacking} bytes of it are missing"
