"""What a run reports as it goes: totals from the start, and as soon as they are known."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

from pipeline.driver import Driver
from pipeline.manifest import ManifestWriter
from pipeline.schemas import DONE, FAILED, Event


class Seen(dict[str, tuple[int, int]]):
    """The last (done, total) of each stage."""

    def __call__(self, stage: str, done: int, total: int, item: str) -> None:
        self[stage] = (done, total)


def make_driver(total: int) -> tuple[Driver, Seen]:
    seen = Seen()
    manifest = cast(ManifestWriter, SimpleNamespace(append=lambda records: None))
    return Driver(manifest, total, seen), seen


def chunk_event(stage: str, outcome: str = DONE, chunk: int = 0) -> Event:
    return Event(stage, outcome, video="v", source="a.mkv", chunk=chunk)


def test_the_number_of_videos_is_shown_before_anything_is_done() -> None:
    _, seen = make_driver(3)
    assert seen == {"split": (0, 3), "assemble": (0, 3)}


def test_a_chunk_that_is_split_counts_for_all_later_stages() -> None:
    driver, seen = make_driver(1)
    driver.record([chunk_event("split"), chunk_event("split", chunk=1)])
    assert seen["flow"] == seen["sample"] == seen["decode"] == (0, 2)


def test_a_video_is_split_when_split_says_so() -> None:
    driver, seen = make_driver(1)
    driver.record([chunk_event("split"), chunk_event("split", chunk=-1)])
    assert seen["split"] == (1, 1)
    assert seen["assemble"] == (0, 1)


def test_a_chunk_that_fails_is_not_expected_later() -> None:
    driver, seen = make_driver(1)
    driver.record([chunk_event("split"), chunk_event("split", chunk=1), chunk_event("flow", FAILED)])
    assert (seen["flow"], seen["sample"], seen["decode"]) == ((1, 2), (0, 1), (0, 1))
