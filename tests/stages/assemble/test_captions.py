"""Closed captions go with their pictures: all data beside the video, the text of EIA-608 as a track in it."""

from __future__ import annotations

import errno
import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import odd_clips
import pytest
from caption_bytes import captioned, captions

from stages.assemble import AssembleConfig
from stages.assemble.captions import keep_captions, read_captions, timecode_rate
from stages.verification import against_captions

Go = Callable[..., Any]


def make(folder: Path, words: str = "", rate: str = "25") -> Path:
    """A captioned MPEG-2 stream, or what ffmpeg makes of it by ``words``."""
    odd_clips.write_texture(folder)
    odd_clips.ffmpeg(f"{odd_clips.moving(rate)} -c:v mpeg2video -b:v 4M -bf 0 said.m2v", folder)
    captioned(folder / "said.m2v")
    if words:
        odd_clips.ffmpeg(f"-i said.m2v {words}", folder)
    return folder / (words.split()[-1] if words else "said.m2v")


def texts(path: Path) -> list[tuple[float, float, str]]:
    """Start, end and text of what the first subtitle track says."""
    with av.open(str(path)) as container:
        (track,) = container.streams.subtitles
        assert track.metadata["title"] == "Closed captions"
        packets = [packet for packet in container.demux(track) if packet.size]
        times = [(float(each.pts * each.time_base), float(each.duration * each.time_base)) for each in packets]
        return [(start, start + long, bytes(each).decode()) for (start, long), each in zip(times, packets, strict=True)]


CLIPS = {
    "said.m2v": ("", "25"),
    "said.ts": ("-c:v libx264 -a53cc 1 -bf 2 -g 12 said.ts", "30000/1001"),
    "said.mkv": ("-c:v libx264 -a53cc 1 -vf setpts=PTS+mod(N\\\\\\,3)*0.3/25/TB -fps_mode vfr said.mkv", "25"),
}


@pytest.mark.parametrize("name", CLIPS)
def test_captions_are_kept_and_can_be_read(tmp_path: Path, go: Go, name: str) -> None:
    words, rate = CLIPS[name]
    source = make(tmp_path, words, rate)
    way = go(source, scale=1, chunk_frames=40)
    facts, kept = way.result.facts, way.output.with_suffix(".mcc")
    pictures = round(Fraction(rate))
    assert facts["captions"] == pictures + 10  # 10 pairs that are not padding, and CEA-708 with every picture
    assert facts["left_out"] == f"the text of {pictures} constructs of CEA-708 captions (their data is in said.mcc)"

    ((start, end, text),) = texts(way.output)
    assert text == "HALLO, WELT"
    with av.open(str(way.output)) as container:
        times = [float(frame.time) for frame in container.decode(video=0)]
    assert start == pytest.approx(times[8], abs=0.02) and end == pytest.approx(times[15], abs=0.02)

    assert against_captions(kept, source, facts["shift_ms"]) == []
    with av.open(str(kept)) as container:
        data = b"".join(bytes(packet) for packet in container.demux(0) if packet.size)
    assert all(said[3:] in data for said in captions(pictures))


def test_a_caption_track_of_quicktime_is_kept_the_same_way(tmp_path: Path, go: Go) -> None:
    captions = go(make(tmp_path), scale=1, chunk_frames=40).output.with_suffix(".mcc")
    (tmp_path / "track.mcc").write_bytes(captions.read_bytes())
    words = f"-i track.mcc {odd_clips.moving()} -map 1:v -map 0:s -c:v libx264 -c:s copy"
    odd_clips.ffmpeg(f"{words} track.mov", tmp_path)
    way = go(tmp_path / "track.mov", scale=1, chunk_frames=40)
    assert (way.result.facts["captions"], way.result.facts["left_out"]) == (10, "")
    ((_, _, text),) = texts(way.output)
    assert text == "HALLO, WELT"
    assert against_captions(way.output.with_suffix(".mcc"), tmp_path / "track.mov") == []


def test_captions_that_cannot_be_kept_are_named_and_stop_nothing(tmp_path: Path, go: Go) -> None:
    source = make(tmp_path, "-c:v libx264 -a53cc 1 -output_ts_offset 90000 late.mkv")  # time code ends after a day
    way = go(source, scale=1, chunk_frames=40)
    assert way.result.facts["frames"] == 25 and way.result.facts["captions"] == 0
    assert way.result.facts["left_out"].startswith("closed captions: late.mcc: does not hold the 35")
    assert not way.output.with_suffix(".mcc").exists()


def test_one_altered_caption_is_found(tmp_path: Path, go: Go) -> None:
    source = make(tmp_path)
    way = go(source, scale=1, chunk_frames=40)
    kept = way.output.with_suffix(".mcc")
    whole = kept.read_text()
    assert way.result.facts["captions"] == read_captions(kept).count == 35
    for old, new in (("FC9470", "FC94D0"), ("00:00:00:03\t", "00:00:00:04\t")):
        kept.write_text(whole.replace(old, new, 1))
        assert kept.read_text() != whole
        assert against_captions(kept, source) == ["said.mcc: its 35 captions are not the source's 35"]
    kept.write_text(re.sub(r"00:00:00:03\t.*\n", "", whole))
    assert against_captions(kept, source) == ["said.mcc: its 33 captions are not the source's 35"]


def test_the_same_captions_give_the_same_bytes(tmp_path: Path, go: Go) -> None:
    source = make(tmp_path)
    first, second = (go(source, scale=1, chunk_frames=40).output.with_suffix(".mcc").read_bytes() for _ in range(2))
    assert first == second


def test_without_subtitles_captions_are_left_out_and_named(tmp_path: Path, go: Go) -> None:
    way = go(make(tmp_path), scale=1, chunk_frames=40, assemble=AssembleConfig(subtitles=False))
    assert not way.output.with_suffix(".mcc").exists()
    assert way.result.facts["left_out"] == "closed captions of 25 frames"


@pytest.mark.parametrize(("rate", "found"), [("24000/1001", "60"), ("30000/1001", "30000/1001"), (None, "60")])
def test_time_code_has_the_rate_of_the_video_where_there_is_such_a_one(rate: str | None, found: str) -> None:
    assert timecode_rate(Fraction(rate) if rate else None) == Fraction(found)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_not_taken_for_captions_that_cannot_be_kept(tmp_path: Path) -> None:
    source, target = make(tmp_path), tmp_path / "kept.mcc"
    target.symlink_to("/dev/full")
    with pytest.raises(OSError) as caught:
        keep_captions(source, target, Fraction(25), 0)
    assert caught.value.errno == errno.ENOSPC


def test_the_text_of_captions_takes_no_room_on_a_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = make(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "no such folder"))
    kept = keep_captions(source, tmp_path / "kept.mcc", Fraction(25), 0)
    assert [text for _, _, text in kept.lines] == [b"HALLO, WELT"]
