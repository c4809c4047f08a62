"""Sources with the same content: what is made of one is made of all, and what cannot be made is said of all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import pytest
from whole_jobs import tree

from benchmarks.simulated_stages import Simulation
from pipeline.config import RunConfig
from pipeline.driver import Driver
from pipeline.job import Job
from pipeline.report import RunReport
from pipeline.rows import SourceRow, VideoRow
from pipeline.run import make_recipe
from pipeline.sources import expand
from pipeline.wrap_split import SplitWorker

Restore = Callable[..., RunReport]
COPIES = 5
"""More than an item has attempts."""


def test_two_sources_with_one_content_share_the_work(restore: Restore, tmp_path: Path, library: Path) -> None:
    (library / "copy.mp4").write_text("25 one")
    report = restore()
    assert report.count("done") == 4 and report.stages["sample"] == {"done": 6, "reused": 3}
    runs = Counter((tmp_path / "journal").read_text().splitlines())
    assert max(count for line, count in runs.items() if not line.startswith("assemble")) == 1
    restored = tree(tmp_path / "restored")
    assert restored["copy.mkv"] == restored["a/one.mkv"]


@pytest.mark.parametrize(("fault", "outcome", "attempts"), [("item", "failed", 1), ("raise", "gave_up", 3)])
def test_what_cannot_be_split_has_attempts_of_its_own_in_every_copy(
    restore: Restore, library: Path, fault: str, outcome: str, attempts: int
) -> None:
    copies = [library / f"copy{number}.mp4" for number in range(COPIES)]
    for copy in copies:
        copy.write_text("25 copy")
    report = restore(Simulation(faults={("split", 1): fault}), inputs=copies)
    assert report.count("failed") == COPIES
    assert {failure.source for failure in report.failures} == {str(copy) for copy in copies}
    told = {(failure.outcome, failure.attempts, failure.error_class) for failure in report.failures}
    assert len(told) == 1 and next(iter(told))[:2] == (outcome, attempts)
    assert all(failure.traceback for failure in report.failures)


def test_a_chunk_that_fails_for_good_fails_once_for_all_copies(restore: Restore, tmp_path: Path, library: Path) -> None:
    for number in range(COPIES):
        (library / f"copy{number}.mp4").write_text("25 copy")
    report = restore(Simulation(faults={("decode", 2): "item"}))
    assert report.count("failed") == COPIES + 1
    assert sorted(failure.outcome for failure in report.failures) == ["failed", "failed"]
    assert all("ItemError" in failure.error_class for failure in report.failures)


def test_a_published_copy_does_not_remove_what_another_is_being_made_of(
    restore: Restore, tmp_path: Path, library: Path
) -> None:
    assert restore(config=RunConfig.model_validate({"limits": {"keep_artifacts": False}})).ok
    (library / "copy.mp4").write_text("25 one")
    factories = Simulation().factories()
    places = str(tmp_path / "workspace"), str(tmp_path / "restored")
    job = Job(*places, epoch=2, recipe=make_recipe(factories), keep_artifacts=False)
    worker = SplitWorker(factories["split"](), job, lambda records: None)
    published, copy = (next(row for row in expand([library]) if row.output == output) for output in ("a/one", "copy"))

    def end(source: SourceRow) -> str:
        *_, last = worker.run(source)
        assert isinstance(last, VideoRow)
        return last.state

    assert end(copy) == "split"
    made = tree(tmp_path / "workspace" / "artifacts" / "split")
    assert made and end(published) == "finished"
    assert tree(tmp_path / "workspace" / "artifacts" / "split") == made


def test_copies_come_one_after_the_other_where_artifacts_are_removed(tmp_path: Path) -> None:
    driver = Driver(Mock(), dict.fromkeys("abcde", 1))
    for name, content in zip("abcde", "11212", strict=True):
        driver.receive(VideoRow(SourceRow(name, name, name, 1, "", sha256=content), "duplicate"))
    passes = []
    while rows := driver.take_deferred(together=False):
        passes.append([row.shown for row in rows])
        assert not any(row.first for row in rows)
    assert passes == [["a", "c"], ["b", "e"], ["d"]]
    assert driver.take_deferred(together=True) == []
