"""How long split may take to the first chunk of a video, which all of the source is read before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from benchmarks.simulated_stages import Simulation
from pipeline import wrap_split
from pipeline.config_running import LONGEST_SECONDS
from pipeline.fingerprint import STAGES, Identity, Recipe
from pipeline.job import Job
from pipeline.rows import SourceRow
from pipeline.source_files import look
from pipeline.watchdog import Watchdog
from pipeline.wrap_split import SplitWorker


class Notes(Watchdog):
    """Notes what each chunk may take, and ends nothing."""

    def __init__(self, seconds: float, last_words: Any) -> None:
        super().__init__(seconds, last_words)
        self.noted: list[float] = []

    @contextmanager
    def watching(self) -> Iterator[None]:
        self.noted.append(self.seconds)
        yield


@pytest.mark.parametrize(
    ("gigabyte", "limit", "allowed"),
    [(2, 60.0, [240.0, 60.0, 60.0, 60.0]), (10**9, 60.0, [60.0] * 4), (2, 1e9, [LONGEST_SECONDS, 1e9, 1e9, 1e9])],
)
def test_the_survey_may_take_as_long_as_the_source_is_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gigabyte: int, limit: float, allowed: list[float]
) -> None:
    source = tmp_path / "one.mp4"
    source.write_text("25 words")
    monkeypatch.setattr(wrap_split, "GIGABYTE", gigabyte)
    factories = Simulation().factories()
    recipe = Recipe({name: Identity.of(factories[name]()) for name in STAGES})
    job = Job(str(tmp_path / "w"), str(tmp_path / "o"), 1, recipe, timeouts={"split": limit})
    worker = SplitWorker(factories["split"](), job, lambda records: None)
    worker.watchdog = watchdog = Notes(limit, None)
    rows = list(worker.run(SourceRow(str(source), str(source), "one", *look(str(source)))))
    assert len(rows) == 4 and watchdog.noted == allowed, "three chunks, and the end of it"


def test_without_a_limit_nothing_is_watched(tmp_path: Path) -> None:
    source = tmp_path / "one.mp4"
    source.write_text("5 words")
    factories = Simulation().factories()
    recipe = Recipe({name: Identity.of(factories[name]()) for name in STAGES})
    worker = SplitWorker(factories["split"](), Job(str(tmp_path / "w"), "o", 1, recipe), lambda records: None)
    assert len(list(worker.run(SourceRow(str(source), str(source), "one", *look(str(source)))))) == 2
