"""Sound stays with the pictures where the clock of a source restarts or jumps; what is moved is told."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import pytest
from odd_clips import MPEG2, TONE, ffmpeg, moving, write_texture

from stages.assemble.clock import Clock, Stretch, find_stretches
from stages.split.config import SplitConfig
from stages.verification import against_source

Go = Callable[..., Any]
FRAME = Fraction(1, 25)
SYNC = 25
"""Milliseconds: a packet of sound."""


def times(path: Path, kind: str) -> list[int]:
    """Milliseconds of the packets of the first stream of a kind."""
    with av.open(str(path)) as container:
        stream = next(stream for stream in container.streams if stream.type == kind)
        return [round(p.pts * p.time_base * 1000) for p in container.demux(stream) if p.size and p.pts is not None]


def make(folder: Path, name: str, options: str = "") -> Path:
    write_texture(folder)
    ffmpeg(f"{TONE} {moving()} -c:a mp2 {options} {MPEG2.replace('OUT', name)}", folder)
    return folder / name


@pytest.mark.parametrize("suffix", ["mpg", "ts"])
def test_sound_goes_on_with_the_pictures_where_files_were_joined(tmp_path: Path, go: Go, suffix: str) -> None:
    source = make(tmp_path, f"once.{suffix}")
    apart = times(source, "audio")[0] - times(source, "video")[0]
    joined = tmp_path / f"thrice.{suffix}"
    joined.write_bytes(source.read_bytes() * 3)
    way = go(joined, scale=1, chunk_frames=100)
    sound, pictures = times(way.output, "audio"), times(way.output, "video")
    assert len(sound) == 3 * len(times(source, "audio")) and len(pictures) == 75
    for part in range(3):
        found = sound[part * len(sound) // 3] - pictures[part * 25]
        assert found == pytest.approx(apart, abs=1 if not part else SYNC)
    assert sound == sorted(sound)
    assert sound[-1] - sound[0] == pytest.approx(pictures[-1] - pictures[0], abs=2 * SYNC + 40)
    assert way.result.facts["damage"].count("the clock jumps from ") == 2
    assert against_source(way.output, joined, SplitConfig()) == []


@pytest.mark.parametrize("codec", ["mpeg2video -bf 0", "libx264 -bf 2"])
def test_sound_goes_on_with_the_pictures_where_matroska_was_joined(tmp_path: Path, go: Go, codec: str) -> None:
    write_texture(tmp_path)
    ffmpeg(f"{TONE} {moving()} -c:v {codec} -c:a pcm_s16le -t 1 once.mkv", tmp_path)
    once, joined = (tmp_path / "once.mkv").read_bytes(), tmp_path / "joined.mkv"
    joined.write_bytes(once * 2)
    way = go(joined, scale=1, chunk_frames=100)
    sound, pictures = times(way.output, "audio"), times(way.output, "video")
    half = len(sound) // 2
    assert pictures == [40 * number for number in range(50)]
    assert [sound[0], sound[half]] == pytest.approx([0, 1000], abs=SYNC)
    assert [later - sound[half] for later in sound[half:]] == pytest.approx(sound[:half], abs=1)
    assert way.result.facts["damage"].startswith("the clock jumps from ")
    assert against_source(way.output, joined, SplitConfig()) == []
    joined.write_bytes(once * 3)
    told = "3 files of Matroska lie behind each other in it, of which only the first 2 are read; cut it apart"
    assert told in go(joined, scale=1, chunk_frames=100).result.facts["damage"]


@pytest.mark.parametrize("codec", ["pcm_alaw", "pcm_mulaw"])
def test_sound_that_only_ffmpeg_copies_goes_on_with_the_pictures_too(tmp_path: Path, go: Go, codec: str) -> None:
    write_texture(tmp_path)
    ffmpeg(f"{TONE} {moving()} -c:v flv1 -c:a {codec} -ar 8000 -ac 1 -t 1 once.flv", tmp_path)
    once, joined = (tmp_path / "once.flv").read_bytes(), tmp_path / "twice.flv"
    joined.write_bytes(once + once[13:])  # without the header of the file
    way = go(joined, scale=1, chunk_frames=100)
    sound, pictures = times(way.output, "audio"), times(way.output, "video")
    half = len(sound) // 2
    assert pictures[25] == 1000 and sound[half] == pytest.approx(1000, abs=SYNC)
    assert [later - sound[half] for later in sound[half:]] == [later - sound[0] for later in sound[:half]]
    assert way.result.facts["damage"].count("the clock jumps from ") == 1
    assert against_source(way.output, joined, SplitConfig()) == []
    joined.write_bytes(once * 2)
    told = "2 files of FLV lie behind each other in it, of which only the first is read; cut it apart at 0.960 s"
    assert told in go(joined, scale=1, chunk_frames=100).result.facts["damage"]


def test_pictures_behind_a_restart_keep_their_own_time_as_sound_does(tmp_path: Path, go: Go) -> None:
    source, gap = make(tmp_path, "once.ts"), tmp_path / "gap.ts"
    lacking = f"{moving()},select=not(between(n\\\\,10\\\\,14)) -fps_mode passthrough"
    ffmpeg(f"{TONE} {lacking} -c:a mp2 {MPEG2.replace('OUT', gap.name)}", tmp_path)
    joined = tmp_path / "joined.ts"
    joined.write_bytes(source.read_bytes() + gap.read_bytes())
    way = go(joined, scale=1, chunk_frames=100)
    sound, pictures = times(way.output, "audio"), times(way.output, "video")
    assert len(pictures) == 25 + 20
    steps = [later - earlier for earlier, later in pairwise(pictures)]
    assert [step for step in steps if step != 40] == [6 * 40] and steps[25 + 9] == 6 * 40
    assert sound[len(sound) // 2] - pictures[25] == pytest.approx(sound[0] - pictures[0], abs=SYNC)
    assert "nothing for 0.200 s after this frame" in way.result.facts["damage"]
    assert against_source(way.output, joined, SplitConfig()) == []


@pytest.mark.parametrize("place", range(0, 60, 3))
def test_a_program_stream_that_was_cut_out_of_another_keeps_its_times(tmp_path: Path, go: Go, place: int) -> None:
    """FFmpeg guesses when the first pictures of such a file are decoded, and is wrong by some frames."""
    write_texture(tmp_path)
    video = MPEG2.replace("OUT", "whole.mpg").replace("4M", "3M -bf 2 -g 12")
    ffmpeg(f"{TONE.replace('duration=1', 'duration=4')} {moving(seconds=4)} -c:a ac3 {video}", tmp_path)
    data = (tmp_path / "whole.mpg").read_bytes()
    source = tmp_path / "cut.mpg"
    source.write_bytes(data[2048 * (1 + place * (len(data) // 2048) // 90) :])
    way = go(source, scale=1, chunk_frames=200)
    heard, before = times(way.output, "audio"), times(source, "audio")
    moved = {new - old for new, old in zip(heard, before, strict=True)}
    shift = int(way.result.facts["shift_ms"])
    assert max(abs(each - shift) for each in moved) <= 1
    shown = times(way.output, "video")
    with av.open(str(source)) as container:
        decoded = [round(frame.pts * frame.time_base * 1000) + shift for frame in container.decode(video=0)]
    assert len(shown) == len(decoded) and sum(new != old for new, old in zip(shown, decoded, strict=True)) <= 2


def test_a_flipped_bit_in_one_time_moves_no_other_packet(tmp_path: Path, go: Go) -> None:
    source = make(tmp_path, "a.ts", "-flush_packets 1 -pes_payload_size 1")
    whole = times(source, "audio")
    data = bytearray(source.read_bytes())
    starts = [at for at in range(len(data) - 20) if data[at : at + 4] == b"\x00\x00\x01\xc0"]
    data[starts[len(starts) // 2] + 10] ^= 0x20  # bit 27 of PES's PTS
    source.write_bytes(data)
    assert max(times(source, "audio")) > 1_000_000
    way = go(source, scale=1, chunk_frames=100)
    shift = way.result.facts["shift_ms"]
    assert [time - shift for time in times(way.output, "audio")] == pytest.approx(whole, abs=2)
    assert "stream 1: 1 packet is far from the pictures (at 149" in way.result.facts["damage"]


def packets(*decoded: float) -> list[av.Packet]:
    found = []
    for time in decoded:
        packet = av.Packet(b"a")
        packet.time_base, packet.dts, packet.is_keyframe = Fraction(1, 1000), round(time * 1000), True
        found.append(packet)
    return found


def test_stretches_go_on_where_the_pictures_do() -> None:
    first, second = [0.04 * number for number in range(10)], [5 + 0.04 * number for number in range(10)]
    found = find_stretches(packets(*first, *first, *second, *first), FRAME)
    assert [each.first for each in found] == [0, 10, 20, 30]
    assert [float(each.offset) for each in found] == pytest.approx([0, 0.4, 0, 5.4])


def test_one_stray_picture_is_a_stretch_of_its_own() -> None:
    found = find_stretches(packets(0, 0.04, 0.08, 1492.9, 0.16, 0.2), FRAME)
    assert [float(each.offset) for each in found] == pytest.approx([0, 0.12 - 1492.9, 0])
    assert Clock(found).remarks() == ["the pictures' time leaps to 1492.900 s and back; they are put at 0.120 s"]


def test_after_a_leap_of_many_pictures_the_others_follow_them() -> None:
    found = find_stretches(packets(0, 0.04, 0.08, *(50 + 0.04 * number for number in range(5)), 0.32, 0.36), FRAME)
    assert [float(each.offset) for each in found] == pytest.approx([0, 0, 50.2 - 0.32])


def test_sound_that_pauses_or_outlasts_the_pictures_is_believed() -> None:
    pictures = packets(*(0.04 * number for number in range(200)))
    clock = Clock(find_stretches(pictures, FRAME))
    for number, picture in enumerate(pictures):
        clock.pass_picture(picture)
        if number < 20 or number > 150:
            assert clock.offset(1, Fraction(number, 25), FRAME) == 0
    for number in range(200, 1000):
        assert clock.offset(1, Fraction(number, 25), FRAME) == 0
    assert clock.remarks() == []


def test_a_container_without_a_clock_moves_nothing() -> None:
    assert Clock([]).offset(1, Fraction(5), FRAME) == 0
    assert Clock([Stretch(0, Fraction(0), Fraction(1), Fraction(0))]).remarks() == []


def test_times_that_go_back_are_told_where_nothing_says_what_the_clock_does(
    tmp_path: Path, go: Go, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stages.assemble.companions.clock_of", lambda source: Clock([]))
    once, twice = make(tmp_path, "once.mpg"), tmp_path / "twice.mpg"
    twice.write_bytes(once.read_bytes() * 2)
    assert "stream 1: its times go back by up to 0.9" in go(twice, scale=1, chunk_frames=100).result.facts["damage"]
