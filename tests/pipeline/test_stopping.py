"""A run that is asked to stop finishes what it holds, begins nothing more, and goes on later where it was."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.simulated_stages import Simulation
from pipeline.config import RunConfig
from pipeline.report import RunReport
from pipeline.standing import Step
from pipeline.status import status
from pipeline.stopping import Stop

Restore = Callable[..., RunReport]


class StopAfter:
    """Progress that asks to stop when a stage has made so many items."""

    def __init__(self, stage: str, made: int) -> None:
        self.stop, self.stage, self.made = Stop(), stage, made

    def __call__(self, step: Step) -> None:
        if step.stage == self.stage and step.made >= self.made:
            self.stop.ask()


@pytest.mark.parametrize(("stage", "made"), [("split", 0), ("flow", 1), ("decode", 2), ("assemble", 1)])
def test_it_finishes_the_item_at_hand_and_goes_on_later(
    restore: Restore, tmp_path: Path, stage: str, made: int
) -> None:
    asked = StopAfter(stage, made)
    journal = tmp_path / "journal"
    report = restore(progress=asked, stop=asked.stop)
    assert not report.ok and report.left == 3 - report.count("done") and not report.failures
    assert f"{report.left} left" in report.summary()
    if made:
        assert report.stages[stage]["done"] >= made
    before = Counter(journal.read_text().splitlines()) if journal.exists() else Counter()
    state = status(str(tmp_path / "workspace"))
    assert state["videos"]["total"] == 3 and state["videos"]["left"] == report.left and not state["running"]
    again = restore()
    assert again.ok and again.left == 0
    after = Counter(journal.read_text().splitlines())
    twice = [line for line, count in (after - before).items() if before[line] and not line.startswith("split")]
    assert not twice  # what was finished is not made again


def test_asked_when_all_is_done_it_says_nothing_of_it(restore: Restore) -> None:
    stop = Stop()
    restore()
    report = restore(
        progress=lambda step: stop.ask() if step.stage == "assemble" and step.done == 3 else None, stop=stop
    )
    assert report.ok and report.left == 0


@pytest.mark.slow
def test_on_ray_what_is_in_flight_is_finished_and_nothing_else_begun(restore: Restore, tmp_path: Path) -> None:
    from pipeline.executors.on_ray import RayExecutor

    config = RunConfig.model_validate({"runtime": {"threads": 1}})
    journal = tmp_path / "journal"
    simulation = Simulation(journal=journal, seconds={"sample": 0.3})
    executor = RayExecutor(config.pools)
    asked = StopAfter("sample", 1)
    options: dict[str, Any] = {"config": config, "executor": executor}
    try:
        report = restore(simulation, progress=asked, stop=asked.stop, **options)
        assert report.left and not report.failures
        begun = Counter(line.split()[0] for line in journal.read_text().splitlines())
        state = status(str(tmp_path / "workspace"))
        assert state["stages"]["sample"]["done"] == begun["sample"] < 6
        again = restore(simulation, **options)
    finally:
        executor.close()
    assert again.ok
    lines = Counter(line for line in journal.read_text().splitlines() if not line.startswith("split"))
    assert max(lines.values()) == 1
