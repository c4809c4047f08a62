"""What a run reports as it goes: totals from the start, and as soon as they are known."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

from pipeline.driver import Driver
from pipeline.manifest import ManifestWriter
from pipeline.rows import ChunkRow, SourceRow, VideoRow
from pipeline.schemas import DIED, DONE, FAILED, PREEMPTED, RETRIED, REUSED, TIMED_OUT, Event
from pipeline.standing import Step
from stages.items import Chunk


class Seen(dict[str, Step]):
    """The last step of each stage."""

    def __call__(self, step: Step) -> None:
        self[step.stage] = step

    def counts(self) -> dict[str, tuple[int, int]]:
        return {stage: (step.done, step.total) for stage, step in self.items()}


def make_driver(total: int, chunks: dict[str, int] | None = None) -> tuple[Driver, Seen]:
    seen = Seen()
    manifest = cast(ManifestWriter, SimpleNamespace(append=lambda records: None))
    sources = dict.fromkeys(("a.mkv", "b.mkv", "c.mkv", "d.mkv")[:total], 100)
    return Driver(manifest, sources, seen, chunks=chunks), seen


def chunk_event(stage: str, outcome: str = DONE, chunk: int = 0) -> Event:
    return Event(stage, outcome, video="v", source="a.mkv", chunk=chunk)


def source(name: str) -> SourceRow:
    return SourceRow(name, name, name, 100, "1")


def test_the_number_of_videos_is_shown_before_anything_is_done() -> None:
    _, seen = make_driver(3)
    assert seen.counts() == {"split": (0, 3), "assemble": (0, 3)}


def test_a_chunk_that_is_split_counts_for_all_later_stages() -> None:
    driver, seen = make_driver(1)
    driver.record([chunk_event("split"), chunk_event("split", chunk=1)])
    counts = seen.counts()
    assert counts["flow"] == counts["sample"] == counts["decode"] == (0, 2)


def test_a_video_is_split_when_split_says_so() -> None:
    driver, seen = make_driver(1)
    driver.record([chunk_event("split"), chunk_event("split", chunk=-1)])
    assert seen.counts()["split"] == (1, 1)
    assert seen.counts()["assemble"] == (0, 1)


def test_a_chunk_that_fails_is_counted_as_failed_and_not_expected_later() -> None:
    driver, seen = make_driver(1)
    driver.record([chunk_event("split"), chunk_event("split", chunk=1), chunk_event("flow", FAILED)])
    counts = seen.counts()
    assert (counts["flow"], counts["sample"], counts["decode"]) == ((1, 2), (0, 1), (0, 1))
    assert (seen["flow"].failed, seen["sample"].failed) == (1, 0)


def test_what_is_found_is_done_but_was_not_made() -> None:
    driver, seen = make_driver(1)
    driver.record([chunk_event("split", REUSED), chunk_event("split", REUSED, 1)])
    driver.record([chunk_event("flow", REUSED), chunk_event("flow", DONE, 1)])
    assert (seen["flow"].done, seen["flow"].made, seen["flow"].chunk) == (2, 1, 1)


def test_chunks_of_videos_that_are_not_split_yet_are_estimated_by_their_bytes() -> None:
    driver, seen = make_driver(4)
    driver.record([chunk_event("split"), chunk_event("split", chunk=1)])
    assert seen["sample"].expected is None
    driver.receive(VideoRow(source("a.mkv"), "split", 2))
    driver.receive(VideoRow(source("b.mkv"), "failed"))
    driver.record([chunk_event("sample")])
    assert (seen["sample"].done, seen["sample"].total, seen["sample"].expected) == (1, 2, 6)
    assert (seen["split"].done, seen["split"].failed, seen["assemble"].failed) == (2, 1, 1)


def test_after_a_resume_the_chunks_of_finished_videos_are_among_those_done() -> None:
    driver, seen = make_driver(2, chunks={"a.mkv": 5})
    driver.receive(VideoRow(source("a.mkv"), "finished"))
    assert (seen["decode"].done, seen["decode"].total, seen["decode"].expected) == (5, 5, 10)
    driver.receive(VideoRow(source("b.mkv"), "split", 1))
    driver.record([chunk_event("split")])
    assert (seen["decode"].done, seen["decode"].total, seen["decode"].expected) == (5, 6, 6)
    assert seen["decode"].made == 0


def test_the_video_to_assemble_comes_with_every_attempt_at_it_that_failed() -> None:
    driver, _ = make_driver(1)
    outcomes = (RETRIED, DIED, TIMED_OUT, PREEMPTED, DONE)
    driver.record([chunk_event("sample", outcome) for outcome in outcomes])
    driver.receive(VideoRow(source("a.mkv"), "split", 1))
    row = driver.receive(ChunkRow("a.mkv", "", Chunk("v", 0, 0, 0, 10)))
    assert row is not None
    # The machine that went away says nothing of the video.
    assert [each["outcome"] for each in row.trouble] == [RETRIED, DIED, TIMED_OUT]


def test_a_video_is_not_told_of_the_attempts_to_assemble_another_of_the_same_content() -> None:
    driver, _ = make_driver(2)
    for name in ("a.mkv", "b.mkv"):
        driver.receive(VideoRow(source(name), "split", 1))
        row = driver.receive(ChunkRow(name, "", Chunk("v", 0, 0, 0, 10)))
        assert row is not None and row.trouble == ()
        driver.record([Event("assemble", RETRIED, video="v", source=name)])
