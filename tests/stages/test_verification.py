"""Verification finds nothing where nothing was altered, and names what was."""

from __future__ import annotations

import gc
import re
import shutil
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import odd_clips
import pytest

from stages.split.config import SplitConfig
from stages.verification import MOST, against_fixity, against_source

CONFIG = SplitConfig()
CLIPS: dict[str, dict[str, Any]] = {
    "both.mkv": {"frames": 9, "audio": ("pcm_s16le", "aac")},
    "vfr.mkv": {"times": [0, 40, 81, 200, 210, 400, 433, 1000, 1001, 1500], "frames": 10},
    "bframes.mp4": {"codec": "libx264", "options": (("bf", "2"),), "frames": 20, "audio": ("aac",)},
    "adts.ts": {"codec": "mpeg2video", "frames": 15, "audio": ("aac",)},
    "mixed.mov": {"codec": "mpeg4", "frames": 15, "audio": ("pcm_mulaw", "aac")},
    "tape.avi": {"codec": "mpeg4", "options": (("bf", "2"),), "frames": 15, "audio": ("pcm_s16le",)},
}

MOVED = "packets at other times than in the source"


def remux(
    source: Path,
    target: Path,
    keep: Callable[[Any, int], bool] = lambda stream, number: True,
    move: Callable[[int], int] = int,
    kind: str = "video",
) -> Path:
    """Copy a file's packets, those that ``keep(stream, number)`` wants; ``move`` changes timestamps of one kind."""
    with av.open(str(source)) as given, av.open(str(target), "w", format="matroska") as made:
        streams = {stream.index: made.add_stream_from_template(stream) for stream in given.streams}
        numbers = dict.fromkeys(streams, -1)
        for packet in given.demux():
            if not packet.size:
                continue
            stream = packet.stream
            numbers[stream.index] += 1
            if not keep(stream, numbers[stream.index]):
                continue
            if stream.type == kind:
                packet.pts = packet.dts = move(packet.pts)
            packet.stream = streams[stream.index]
            made.mux(packet)
    return target


@pytest.fixture
def way(clip: Callable[..., Path], go: Callable[..., Any]) -> Any:
    return go(clip("both.mkv", **CLIPS["both.mkv"]))


@pytest.mark.parametrize("name", CLIPS)
def test_what_was_not_altered_passes(clip: Callable[..., Path], go: Callable[..., Any], name: str) -> None:
    done = go(clip(name, **CLIPS[name]))
    assert against_source(done.output, done.source, CONFIG, done.result.facts["shift_ms"]) == []
    assert against_fixity(done.output, done.output.with_suffix(".framemd5")) == []


def test_a_missing_frame_is_found(way: Any, tmp_path: Path) -> None:
    altered = remux(way.output, tmp_path / "altered.mkv", lambda stream, n: stream.type != "video" or n != 8)
    assert against_source(altered, way.source, CONFIG) == ["8 frames, the source has 9"]
    (line,) = against_fixity(altered, way.output.with_suffix(".framemd5"))
    assert line.startswith("framemd5, stream 0, number 8: ") and line.endswith(" was recorded, nothing is there")


def test_a_frame_at_another_time_is_named(way: Any, tmp_path: Path) -> None:
    def late(pts: int) -> int:
        return pts + 3 if pts == 120 else pts

    altered = remux(way.output, tmp_path / "altered.mkv", move=late)
    assert against_source(altered, way.source, CONFIG) == ["frame 3 is at 123 ms, must be at 120 ms"]


def test_a_missing_audio_packet_is_found_in_its_stream(way: Any, tmp_path: Path) -> None:
    altered = remux(way.output, tmp_path / "altered.mkv", lambda stream, n: stream.index != 2 or n != 1)
    (line,) = against_source(altered, way.source, CONFIG)
    assert line.startswith("audio stream 1: its ")


def test_a_missing_audio_stream_is_found(way: Any, tmp_path: Path) -> None:
    altered = remux(way.output, tmp_path / "altered.mkv", lambda stream, n: stream.index != 2)
    assert against_source(altered, way.source, CONFIG)


@pytest.mark.parametrize("name", ["both.mkv", "mixed.mov", "bframes.mp4", "adts.ts"])
def test_sound_at_another_time_is_told_of_each_stream(
    clip: Callable[..., Path], go: Callable[..., Any], tmp_path: Path, name: str
) -> None:
    done = go(clip(name, **CLIPS[name]))
    words = f"-i {done.output} -itsoffset 0.007 -i {done.output} -map 0:v -map 1:a -c copy -copyts"
    odd_clips.ffmpeg(f"{words} -avoid_negative_ts disabled altered.mkv", tmp_path)
    found = against_source(tmp_path / "altered.mkv", done.source, CONFIG, done.result.facts["shift_ms"])
    assert len(found) == len(CLIPS[name]["audio"])
    for number, line in enumerate(found):
        said = rf"audio stream {number}: {MOVED}: (\d+) of \1; the first, number 0, is at (\S+) ms, must be at (\S+) ms"
        _, here, there = re.fullmatch(said, line).groups()
        assert int(here) == int(there) + 7


def test_a_packet_of_sound_at_another_time_is_named(way: Any, tmp_path: Path) -> None:
    def late(pts: int) -> int:
        return pts + 3 if pts == 85 else pts

    altered = remux(way.output, tmp_path / "altered.mkv", move=late, kind="audio")
    assert against_source(altered, way.source, CONFIG) == [
        f"audio stream 0: {MOVED}: 1 of 17; the first, number 4, is at 88 ms, must be at 85 ms",
        f"audio stream 1: {MOVED}: 1 of 18; the first, number 5, is at 88 ms, must be at 85 ms",
    ]


def test_a_flipped_byte_in_a_picture_is_found(way: Any, tmp_path: Path) -> None:
    altered = tmp_path / "altered.mkv"
    shutil.copy(way.output, altered)
    with av.open(str(way.output)) as container:
        packet = next(packet for packet in container.demux(video=0) if packet.size)
    data = bytearray(altered.read_bytes())
    place = data.index(bytes(packet)) + packet.size // 2
    data[place] ^= 0x10
    altered.write_bytes(data)
    assert against_fixity(altered, way.output.with_suffix(".framemd5"))


def test_many_differences_are_counted_not_listed(clip: Callable[..., Path], go: Callable[..., Any]) -> None:
    done = go(clip("long.mkv", frames=40))
    lines = against_source(done.output, done.source, CONFIG, shift=5)
    assert len(lines) == MOST + 1
    assert lines[-1] == "and 30 more differing timestamps"


A_ROW = 8
"""Bytes; a row itself takes ten times as many."""


@pytest.mark.parametrize("change", ["nothing", "every frame", "no sound"])
def test_memory_does_not_grow_with_the_rows_of_framemd5(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    def rows(count: int, altered: bool) -> Iterator[str]:
        yield "#media_type 1: audio\n"
        for number in range(count):
            md5 = f"{number + (altered and change == 'every frame'):032x}"
            yield f"0, {40 * number:10}, {40 * number:10}, 40, 4608, {md5}\n"
            if not (altered and change == "no sound"):
                yield f"1, {40 * number:10}, {40 * number:10}, 40, 960, {number:032x}\n"

    def peak(count: int) -> tuple[int, list[str]]:
        fixity = tmp_path / "a.framemd5"
        with fixity.open("w") as file:
            file.writelines(rows(count, altered=False))
        gc.collect()
        tracemalloc.start()
        found = against_fixity(tmp_path / "a.mkv", fixity)
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size, found

    def write(path: Path, target: Path, audio: bool) -> None:
        with target.open("w") as file:
            file.writelines(rows(int(count), altered=True))

    monkeypatch.setattr("stages.verification.write_framemd5", write)
    sizes = {}
    for count in (10, 2000, 12000):
        sizes[count], found = peak(count)
    assert sizes[12000] - sizes[2000] < 10000 * A_ROW, f"{(sizes[12000] - sizes[2000]) / 10000:.0f} bytes a frame"
    if change == "nothing":
        assert found == []
    else:
        assert found[MOST] == f"and {12000 - MOST} more differing rows of framemd5"
        assert found[0].startswith(f"framemd5, stream {'01'[change == 'no sound']}, number 0: ")


def test_rows_of_a_stream_that_is_not_there_and_what_is_no_row_are_named(way: Any) -> None:
    fixity = way.output.with_suffix(".framemd5")
    fixity.write_text(fixity.read_text() + "7,          0,          0,        1,     4608, " + "0" * 32 + "\nno row\n")
    assert against_fixity(way.output, fixity) == [
        "framemd5, header: no row was recorded, nothing is there",
        f"framemd5, stream 7, number 0: {'0' * 32} at 0 ms was recorded, nothing is there",
    ]
