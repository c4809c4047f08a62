"""Where frames are placed whose own timestamps are missing or wrong."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from itertools import accumulate, pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from odd_clips import TONE, ffmpeg, moving, write_texture

from stages.items import SplitChunk
from stages.media.probe import VideoFacts, probe
from stages.media.table import FrameTable, read_table
from stages.split.timestamps import LOOK_AHEAD, Stamper

Split = Callable[..., list[SplitChunk]]
_HIGH_BIT = 0x20  # of the second byte of a PES timestamp: 2 ** 27 ticks, 1491 s


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> VideoFacts:
    folder = tmp_path_factory.mktemp("facts")
    write_texture(folder)
    ffmpeg(f"{moving(seconds=0.04)} -c:v ffv1 a.mkv", folder)
    return replace(probe(folder / "a.mkv"), time_base=Fraction(1, 1000), rate=Fraction(25), start=0)


def stamped(facts: VideoFacts, own: list[int | None]) -> tuple[list[int], list[int]]:
    """Where the frames are placed, and which of them are mended."""
    stamper = Stamper(facts)
    stamps = [stamper.stamp(pts, 0, own[n + 1 : n + 1 + LOOK_AHEAD]) for n, pts in enumerate(own)]
    return [stamp.pts for stamp in stamps], [n for n, stamp in enumerate(stamps) if stamp.mended]


@pytest.mark.parametrize(
    ("own", "expected", "mended"),
    [
        ([0, 40, 9000, 120, 160, 200], [0, 40, 80, 120, 160, 200], [2]),
        ([0, 40, 9000, 9500, 160, 200], [0, 40, 80, 120, 160, 200], [2, 3]),
        ([0, 40, 9500, 9000, 160, 200], [0, 40, 80, 120, 160, 200], [2, 3]),
        ([0, 40, 9000, None, 160, 200], [0, 40, 80, 120, 160, 200], [2, 3]),
        ([9000, 40, 80, 120, 160], [0, 40, 80, 120, 160], [0]),
        ([0, 40, 9000, 120], [0, 40, 80, 120], [2]),
        ([0, 9000, 2, 3, 4], [0, 1, 2, 3, 4], [1]),  # faster than its nominal rate
        ([0, 40, 9000, 8000, 8040, 8080], [0, 40, 80, 8000, 8040, 8080], [2]),  # just before a gap
    ],
)
def test_a_leap_that_the_next_frames_take_back_is_mended(
    facts: VideoFacts, own: list[int | None], expected: list[int], mended: list[int]
) -> None:
    assert stamped(facts, own) == (expected, mended)


@pytest.mark.parametrize(
    ("own", "expected", "mended"),
    [
        ([0, 40, 9000, 9040, 9080], [0, 40, 9000, 9040, 9080], []),
        ([0, 40, 9000], [0, 40, 9000], []),
        ([0, 40, 9000, 9040], [0, 40, 9000, 9040], []),
        ([0, 40, 9000, 200, 9080, 9120], [0, 40, 9000, 9040, 9080, 9120], [3]),
        ([0, 9000, 9040, 0, 40, 80], [0, 9000, 9040, 9080, 9120, 9160], [3, 4, 5]),  # a gap, then another recording
    ],
)
def test_a_gap_stays_a_gap(facts: VideoFacts, own: list[int | None], expected: list[int], mended: list[int]) -> None:
    assert stamped(facts, own) == (expected, mended)


def test_a_first_timestamp_that_is_too_late_moves_no_other_frame(facts: VideoFacts) -> None:
    """FFmpeg guesses it where a program stream was cut out of another."""
    assert stamped(facts, [120, 0, 40, 80, 120, 160]) == ([-40, 0, 40, 80, 120, 160], [0])


def test_joined_recordings_go_on_at_the_rate(facts: VideoFacts) -> None:
    part = [1000, 1040, 1080, 1120, 1160]
    assert stamped(facts, part * 2) == (list(range(1000, 1400, 40)), [5, 6, 7, 8, 9])
    leaping = [*part, 1000, 1040, 9000, 1120, 1160]  # the leap is in the second of them
    assert stamped(facts, leaping) == (list(range(1000, 1400, 40)), [5, 6, 7, 8, 9])
    # a second one that lasts longer: what is told by its timestamps is where the first one ended
    assert stamped(facts, [*part, *range(1000, 1320, 40)])[0] == list(range(1000, 1520, 40))


def test_frames_without_timestamps_are_no_recording_of_their_own(facts: VideoFacts) -> None:
    stamper = Stamper(facts)
    own: list[int | None] = [None, None, None, 0, 40, 80, 120]
    for number, pts in enumerate(own):
        stamper.stamp(pts, 0, own[number + 1 : number + 1 + LOOK_AHEAD])
    assert stamper.begin == -120


def test_joined_recordings_keep_their_own_time(facts: VideoFacts) -> None:
    first = list(range(1000, 2000, 40))
    second = [0, 40, 80, 120, 700, 740, 780, 800, 820, 840, 860]  # a gap, then 50 frames a second
    placed = [2000 + each for each in second]
    found, mended = stamped(facts, [*first, *second])
    assert found == [*first, *placed] and mended == list(range(len(first), len(found)))
    assert stamped(facts, [*first, *second, *second])[0] == [*first, *placed, *(2900 + each for each in second)]
    back = [2900, 2940, 2980]  # in the time of the first again
    assert stamped(facts, [*first, *second, *back])[0] == [*first, *placed, *back]


@pytest.mark.parametrize(
    ("own", "expected", "mended"),
    [
        ([0, 40, 80, 80, 120, 160, 200], [0, 40, 80, 100, 120, 160, 200], [3]),
        ([0, 80, 120, 120, 160, 200, 240], [0, 80, 120, 140, 160, 200, 240], [3]),  # a step left out before
        ([0, 80, 40, 120, 160], [0, 80, 100, 120, 160], [2]),  # too small a leap to be told from disorder
        ([0, 40, 80, 40, 80, 120, 160], [0, 40, 80, 93, 106, 120, 160], [3, 4]),
        ([0, 40, 40], [0, 40, 80], [2]),
    ],
)
def test_a_timestamp_that_is_there_twice_moves_no_other_frame(
    facts: VideoFacts, own: list[int | None], expected: list[int], mended: list[int]
) -> None:
    assert stamped(facts, own) == (expected, mended)


@given(
    steps=st.lists(st.integers(10, 80), min_size=12, max_size=30),
    wrong=st.lists(st.sampled_from([None, "twice", 10**6, -(10**6)]), min_size=5, max_size=5),
)
def test_what_is_wrong_with_one_frame_in_four_moves_no_other(
    facts: VideoFacts, steps: list[int], wrong: list[int | str | None]
) -> None:
    true = [0, *accumulate(steps)]
    own: list[int | None] = [*true]
    for number, fault in zip(range(2, len(true) - LOOK_AHEAD, LOOK_AHEAD + 1), wrong, strict=False):
        own[number] = fault if fault is None else true[number - 1] + (0 if fault == "twice" else int(fault))
    placed, mended = stamped(facts, own)
    assert all(earlier < later for earlier, later in pairwise(placed))
    assert mended == [n for n, each in enumerate(own) if each != true[n]]
    assert all(placed[n] == time for n, time in enumerate(true) if n not in mended)


def table_of(chunks: list[SplitChunk]) -> FrameTable:
    (only,) = chunks
    assert only.folder is not None
    return read_table(only.folder)


def test_a_flipped_bit_in_one_timestamp_moves_no_other_frame(tmp_path: Path, split: Split) -> None:
    write_texture(tmp_path)
    source = tmp_path / "flipped.ts"
    ffmpeg(f"{TONE} {moving()} -c:v mpeg2video -bf 0 -c:a mp2 {source.name}", tmp_path)
    whole = table_of(split(source, chunk_frames=40))
    data = bytearray(source.read_bytes())
    header = [match.start() for match in re.finditer(rb"\x00\x00\x01\xe0...[\xc0\x80]", data, re.DOTALL)][7]
    data[header + 10] ^= _HIGH_BIT
    source.write_bytes(data)
    table = table_of(split(source, chunk_frames=40))
    assert table.mended == 1 and table.pts == whole.pts
    assert {later - earlier for earlier, later in pairwise(table.pts)} == {3600}
    assert table.account is not None and not table.account.damage
