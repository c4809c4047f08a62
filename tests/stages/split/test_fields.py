"""What is decided about fields, from what was measured of every frame."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from stages.items import SplitChunk
from stages.media.table import read_table
from stages.split.config import SplitConfig
from stages.split.fields import Measured, decide, smoothed
from stages.split.survey import survey


@pytest.mark.parametrize(
    ("kinds", "flags", "treatment"),
    [
        ("t" * 4, "p" * 4, "progressive"),  # chance: noise of three or four frames is often measured so
        ("tub", "ppp", "progressive"),
        ("t" * 5, "p" * 5, "deinterlaced"),
        ("t" * 3, "i" * 3, "deinterlaced"),  # the flag and the measurement agree
        ("t" * 9 + "p" * 40, "p" * 49, "deinterlaced, progressive"),
    ],
)
def test_a_few_frames_without_a_flag_are_not_taken_for_interlaced(kinds: str, flags: str, treatment: str) -> None:
    found = decide("auto", Measured(kinds, "n" * len(kinds), flags))
    assert ", ".join(each.treatment for each in found) == treatment


@pytest.mark.parametrize(
    ("kinds", "flag", "interlaced"),
    [
        ("t" * 10 + "u" * 14 + "p" * 25, "i", range(24)),
        ("t" * 10 + "u" * 14 + "p" * 25, "p", range(10)),
        ("p" * 25 + "u" * 14 + "b" * 10, "i", range(25, 49)),
        ("p" * 25 + "u" * 14 + "b" * 10, "p", range(39, 49)),
        ("p" * 20 + "u" * 40 + "p" * 20, "i", range(0)),
        ("t" * 20 + "u" * 40 + "t" * 20, "p", range(80)),
    ],
)
def test_where_idet_cannot_tell_the_flags_say_how_far_a_kind_goes(kinds: str, flag: str, interlaced: range) -> None:
    found = decide("auto", Measured(kinds, "n" * len(kinds), flag * len(kinds)))
    woven = [frame for each in found if each.treatment == "deinterlaced" for frame in range(each.start, each.stop)]
    assert woven == list(interlaced)


def by_hand(kinds: str, doubt: int) -> int:
    """The cost of the cheapest course: every misjudgement 1, every change 8, and what it costs to begin with t or b."""
    costs = {"p": 0, "t": doubt, "b": doubt}
    for kind in kinds:
        costs = {
            state: min(cost + 8 * (before != state) for before, cost in costs.items())
            + (kind in "ptb" and kind != state)
            for state in costs
        }
    return min(costs.values())


@pytest.mark.parametrize("doubt", [0, 4])
def test_the_likeliest_course_is_the_cheapest(doubt: int) -> None:
    chance = random.Random(3)
    for _ in range(200):
        runs = (chance.choice("ptbu") * chance.randint(1, 20) for _ in range(chance.randint(1, 5)))
        kinds = "".join(chance.choice("ptbu") if chance.random() < 0.2 else kind for run in runs for kind in run)
        course = "".join(smoothed(kinds, doubt))
        wrong = sum(kind in "ptb" and kind != state for kind, state in zip(kinds, course, strict=True))
        changes = sum(one != other for one, other in pairwise(course))
        # The first state is what came before the first frame, so that a change at once is one, too.
        begin = min(8 * (before != course[0]) + doubt * (before != "p") for before in "ptb")
        assert wrong + 8 * changes + begin == by_hand(kinds, doubt)


def peak(call: Callable[[], object]) -> int:
    """Bytes of Python's own that a call takes at most."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_frame_costs_a_few_bytes_to_decide_about() -> None:
    chance = random.Random(1)
    few, many = ("".join(chance.choice("pptu") for _ in range(count)) for count in (5000, 25000))
    sizes = [peak(lambda k=k: decide("auto", Measured(k, "n" * len(k), "p" * len(k)))) for k in (few, many)]
    assert sizes[1] - sizes[0] < 20000 * 12, f"{(sizes[1] - sizes[0]) / 20000:.0f} bytes a frame"


def test_a_frame_costs_some_45_bytes_to_survey(clip: Callable[..., Path]) -> None:
    clips = [clip(f"{count}.mkv", frames=count, size=(16, 16), codec="mpeg4") for count in (50, 500, 3500)]
    _, few, many = (peak(lambda path=path: survey(path, SplitConfig())) for path in clips)
    assert many - few < 3000 * 60, f"{(many - few) / 3000:.0f} bytes a frame"


@pytest.mark.parametrize("policy", ["deinterlace", "ivtc"])
@pytest.mark.parametrize("size", [(64, 2), (64, 6), (4, 64)])
def test_pictures_too_small_to_be_deinterlaced_stay_as_they_are(
    clip: Callable[..., Path], split: Callable[..., list[SplitChunk]], size: tuple[int, int], policy: str
) -> None:
    (only,) = split(clip("small.mkv", size=size, frames=6), deinterlace=policy, chunk_frames=20)
    assert only.folder is not None and len(only.chunk) == 6
    account = read_table(only.folder).account
    assert account is not None
    assert [(each.treatment, each.why) for each in account.fields] == [("progressive", "too small to be deinterlaced")]
