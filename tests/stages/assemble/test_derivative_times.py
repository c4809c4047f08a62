"""When derivatives show their pictures and let hear their sound: as the master does, whatever their clocks are."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import accumulate, cycle, islice, pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import odd_clips
import pytest

from stages.assemble import AssembleConfig

Go = Callable[..., Any]
ClipMaker = Callable[..., Path]
SUFFIXES = {"h264": "h264.mp4", "h265": "h265.mp4", "av1": "av1.mp4", "prores": "prores.mov"}
UNEVEN = tuple(accumulate(islice(cycle((17, 21, 33, 41, 50, 3, 7)), 40), initial=0))
"""Milliseconds of frames of which FFmpeg makes a rate of 1000."""
NEARLY_EVEN = tuple(40 * number + 3 * (number % 7 == 3) + 9 * (number % 5 == 1) for number in range(40))
"""The same of 25."""


def wanting(*kinds: str) -> AssembleConfig:
    return AssembleConfig(derivatives=tuple({"kind": kind} for kind in kinds))


def derivative(way: Any, kind: str) -> Path:
    return Path(way.output.with_name(f"{way.output.stem}.{SUFFIXES[kind]}"))


def made(folder: Path, words: str, name: str) -> Path:
    odd_clips.write_notes(folder)
    odd_clips.ffmpeg(f"{words} {name}", folder)
    return folder / name


def pictures(path: Path) -> list[Fraction]:
    """Seconds at which pictures are shown."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return sorted(packet.pts * packet.time_base for packet in container.demux(stream) if packet.size)


def sound(path: Path) -> tuple[Fraction, np.ndarray[Any, Any]]:
    """Seconds at which the first audio stream begins, and the loudness of its first channel in every 10 ms."""
    with av.open(str(path)) as container:
        frames = list(container.decode(audio=0))
    begin = frames[0].pts * frames[0].time_base
    samples = np.concatenate([np.abs(_first_channel(frame)) for frame in frames])
    whole = samples[: len(samples) // 480 * 480].reshape(-1, 480)
    return begin, whole.max(1) / samples.max()


def _first_channel(frame: av.AudioFrame) -> np.ndarray[Any, Any]:
    samples = frame.to_ndarray().astype(np.float64)
    return samples[0] if frame.format.is_planar else samples[0, :: frame.layout.nb_channels]


def silent(path: Path) -> list[int]:
    """The hundredths of a second, from time 0 on, in which nothing is heard before the sound ends."""
    begin, loudness = sound(path)
    place = round(begin * 100)
    return [*range(place), *(place + int(each) for each in np.flatnonzero(loudness < 0.05))]


@pytest.mark.parametrize("kind", ["h264", "h265", "av1"])
@pytest.mark.parametrize(("rate", "offset"), [("25", 0.0), ("30000/1001", 0.0), ("25", 0.51)])
def test_the_sound_of_an_mp4_runs_on_from_packet_to_packet(
    tmp_path: Path, go: Go, kind: str, rate: str, offset: float
) -> None:
    words = f"-itsoffset {offset} {odd_clips.TONE} {odd_clips.moving(rate)} -c:v ffv1 -c:a pcm_s16le"
    way = go(made(tmp_path, words, "tone.mkv"), scale=1, assemble=wanting(kind))
    with av.open(str(derivative(way, kind))) as container:
        stream = container.streams.audio[0]
        times = [packet.pts for packet in container.demux(stream) if packet.size]
        assert stream.time_base == Fraction(1, 48000)
    assert {later - earlier for earlier, later in pairwise(times)} == {1024}
    assert times[0] == round(offset * 48000) - 1024  # AAC's priming


@pytest.mark.parametrize("kind", ["h264", "prores"])
def test_pictures_that_begin_between_two_frames_of_the_rate_stay_beside_the_sound(
    tmp_path: Path, go: Go, kind: str
) -> None:
    way = go(odd_clips.make("negative-sound.mkv", tmp_path), scale=1, assemble=wanting(kind))
    assert way.result.facts["shift_ms"] == 197
    first, wanted = pictures(derivative(way, kind)), pictures(way.output)
    assert first == wanted and wanted[0] == Fraction(197, 1000)


@pytest.mark.parametrize("kind", SUFFIXES)
@pytest.mark.parametrize("times", [UNEVEN, NEARLY_EVEN], ids=["1000", "25"])
def test_pictures_of_a_rate_that_varies_keep_their_times(
    clip: ClipMaker, go: Go, times: tuple[int, ...], kind: str
) -> None:
    source = clip("uneven.mkv", frames=len(times), times=times, audio=("pcm_s16le",))
    way = go(source, scale=1, chunk_frames=60, assemble=wanting(kind))
    assert way.result.facts["rate"] == way.result.facts["left_out"] == ""
    assert pictures(derivative(way, kind)) == pictures(way.output) == [Fraction(each, 1000) for each in times]


@pytest.mark.parametrize(("rate", "clip_name"), [("60000/1001", ""), ("24000/1001", "telecine.mpg"), ("18", "")])
def test_the_rate_is_the_one_that_the_timestamps_keep_to(tmp_path: Path, go: Go, rate: str, clip_name: str) -> None:
    words = f"{odd_clips.moving(rate, 2)} -c:v ffv1"
    source = odd_clips.make(clip_name, tmp_path) if clip_name else made(tmp_path, words, "rate.mkv")
    way = go(source, scale=1, chunk_frames=60, assemble=wanting("h264"))
    assert way.result.facts["rate"] == rate
    exact = 1 / Fraction(rate)
    assert {later - earlier for earlier, later in pairwise(pictures(derivative(way, "h264")))} == {exact}


def test_what_is_missing_of_the_sound_is_silence_where_samples_have_no_times(tmp_path: Path, go: Go) -> None:
    gap = "aselect=not(between(t\\\\,0.4\\\\,0.59))"
    words = f"{odd_clips.TONE} {odd_clips.moving()} -af {gap} -c:v ffv1 -c:a pcm_s16le -t 1"
    source = made(tmp_path, words, "gap.mkv")
    way = go(source, scale=1, assemble=wanting("prores", "png"))
    for path in (derivative(way, "prores"), way.output.with_name("gap.png") / "sound.wav"):
        assert silent(path) == list(range(41, 59)), path.name
        assert len(sound(path)[1]) in (99, 100), path.name  # the master's milliseconds


def test_the_sound_beside_images_begins_with_the_first_of_them(tmp_path: Path, go: Go) -> None:
    words = f"-itsoffset 0.3 {odd_clips.TONE} {odd_clips.moving()} -c:v ffv1 -c:a pcm_s16le -t 1"
    way = go(made(tmp_path, words, "late.mkv"), scale=1, assemble=wanting("png"))
    assert silent(way.output.with_name("late.png") / "sound.wav") == list(range(30))
    assert way.result.facts["left_out"] == ""
    way = go(odd_clips.make("negative-sound.mkv", tmp_path), scale=1, assemble=wanting("png"))
    told = "0.197 s of sound before the first picture in negative-sound.png: the master has all"
    assert way.result.facts["left_out"] == told
    assert len(sound(way.output.with_name("negative-sound.png") / "sound.wav")[1]) == 80


def test_the_time_code_goes_along_where_it_counts_frames_of_one_rate(tmp_path: Path, clip: ClipMaker, go: Go) -> None:
    way = go(odd_clips.make("timecode.mov", tmp_path), scale=1, assemble=wanting("prores"))
    assert timecode(derivative(way, "prores")) == "10:11:12:13"
    plain = clip("plain.mkv", frames=len(UNEVEN), times=UNEVEN)
    odd_clips.ffmpeg(f"-i {plain} -c copy -metadata:s:v:0 timecode=10:11:12:13 uneven.mkv", tmp_path)
    way = go(tmp_path / "uneven.mkv", scale=1, chunk_frames=60, assemble=wanting("prores"))
    told = "the time code in uneven.prores.mov: it counts frames of one rate, the master has it as a tag"
    assert way.result.facts["left_out"] == told
    assert timecode(derivative(way, "prores")) is None


def timecode(path: Path) -> str | None:
    with av.open(str(path)) as container:
        return next((stream.metadata["timecode"] for stream in container.streams if stream.type == "data"), None)


def test_what_a_derivative_lacks_is_named(tmp_path: Path, go: Go) -> None:
    way = go(odd_clips.make("rich.mkv", tmp_path), scale=1, assemble=wanting("h264", "png"))
    lost = ", ".join(f"1 subtitle track in {name}: the master has all" for name in ("rich.h264.mp4", "rich.png"))
    assert way.result.facts["left_out"] == lost
    way = go(odd_clips.make("many-tracks.mkv", tmp_path), scale=1, assemble=wanting("png"))
    assert way.result.facts["left_out"] == "2 audio streams in many-tracks.png: the master has all"


def test_languages_and_marks_of_sound_go_along(tmp_path: Path, go: Go) -> None:
    words = (
        f"{odd_clips.TONE} {odd_clips.moving()} -map 1:v -map 0:a -map 0:a -c:v ffv1 -c:a pcm_s16le "
        "-metadata:s:a:0 language=deu -metadata:s:a:1 language=fra -disposition:a:0 0 -disposition:a:1 default"
    )
    way = go(made(tmp_path, words, "two.mkv"), scale=1, assemble=wanting("h264"))
    with av.open(str(derivative(way, "h264"))) as container:
        found = [(each.metadata["language"], bool(each.disposition & 1)) for each in container.streams.audio]
    assert found == [("deu", False), ("fra", True)]
