"""Streams that begin in the middle of a file: copied, or named where FFmpeg cannot be brought to list them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from odd_clips import ffmpeg, moving, write_texture

from pipeline.planning.probe import probe
from pipeline.rows import SourceRow
from pipeline.source_files import look
from stages.media.demuxing import demux, open_every_stream, unlisted
from stages.media.probe import open_video
from stages.split.config import SplitConfig
from stages.verification import against_source

Go = Callable[..., Any]
SLOW = moving("2", 12)


def tone(begin: float, end: float) -> str:
    return f"-itsoffset {begin} -f lavfi -i sine=frequency=440:sample_rate=48000:duration={end - begin}"


CLIPS = {
    "late.flv": (f"{tone(91, 93)} {moving('1', 96)} -c:v flv -c:a libmp3lame -ar 44100 OUT", 1),
    "late.ts": (f"{tone(9, 11)} {SLOW} -c:v libx264 -c:a ac3 OUT", 1),
    "second.ts": (f"{tone(0, 12)} {tone(9, 11)} {SLOW} -map 2 -map 0 -map 1 -c:v libx264 -c:a mp2 OUT", 2),
    "late.vob": (f"{tone(9, 11)} {moving('25', 11)} -c:v mpeg2video -c:a mp2 OUT", 1),
}
"""What ffmpeg is told, and how many audio streams there are."""


def make(folder: Path, name: str) -> Path:
    write_texture(folder)
    ffmpeg(CLIPS[name][0].replace("OUT", name), folder)
    return folder / name


def packets(path: Path) -> list[int]:
    """Number of packets of each audio stream."""
    with open_video(path, options={"probesize": "100000000", "analyzeduration": "100000000"}) as container:
        found = {stream.index: 0 for stream in container.streams.audio}
        for packet in container.demux(*container.streams.audio):
            found[packet.stream.index] += bool(packet.size)
        return list(found.values())


@pytest.mark.parametrize("name", CLIPS)
def test_a_stream_that_begins_late_is_copied(tmp_path: Path, go: Go, name: str) -> None:
    source = make(tmp_path, name)
    way = go(source, scale=1, chunk_frames=400)
    assert way.result.facts["left_out"] == ""
    assert packets(way.output) == packets(source) and len(packets(source)) == CLIPS[name][1]
    assert way.result.facts["audio_packets"] == sum(packets(source)) > 0
    assert against_source(way.output, source, SplitConfig()) == []


def joined(folder: Path) -> Path:
    """Transport streams one after another: the second has one more audio stream than its neighbours."""
    write_texture(folder)
    parts = ["-map 1 -map 0", "-map 1 -map 0 -map 0", "-map 1 -map 0"]
    for number, maps in enumerate(parts):
        ffmpeg(
            f"{tone(0, 1)} {moving()} {maps} -c:v mpeg2video -c:a mp2 -muxrate 4M -output_ts_offset {number} "
            f"{number}.ts",
            folder,
        )
    path = folder / "joined.ts"
    path.write_bytes(b"".join((folder / f"{number}.ts").read_bytes() for number in range(len(parts))))
    return path


def test_a_stream_that_is_never_listed_is_named(tmp_path: Path, go: Go) -> None:
    source = joined(tmp_path)
    way = go(source, scale=1, chunk_frames=400)
    assert way.result.facts["frames"] == 75
    assert way.result.facts["left_out"] == "2 audio mp2 that begins too late to be copied"
    assert against_source(way.output, source, SplitConfig()) == []
    with open_every_stream(source) as container:
        assert unlisted(container, source) == ["2 audio mp2"]


def test_a_stream_that_appears_ends_no_reading_in_an_error(tmp_path: Path) -> None:
    source = make(tmp_path, "late.flv")
    with open_video(source) as container:
        assert len(container.streams) == 1
        assert sum(bool(packet.size) for packet in demux(container)) == 96
    row = SourceRow(str(source), source.name, source.stem, *look(str(source)))
    assert probe(row, SplitConfig()).error == ""
