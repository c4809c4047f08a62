"""Pace, estimates and time left; and the manifest's account against the driver's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.simulated_stages import Simulation
from pipeline.fingerprint import STAGES
from pipeline.forecast import Forecast, Pace
from pipeline.report import RunReport
from pipeline.standing import StageStanding, Step, seconds_left
from pipeline.status import standings, status


def test_pace_counts_what_happened_lately() -> None:
    pace = Pace(seconds=10)
    assert pace.rate() is None
    for second in (0, 1, 2, 100, 102, 104):
        pace.add(second)
    assert pace.rate() == pytest.approx(0.5)
    assert pace.rate(now=108) == pytest.approx(0.25)


def test_chunks_to_come_are_counted_by_bytes() -> None:
    forecast = Forecast({"a": 100, "b": 300, "c": 50, "d": -1})
    assert forecast.expected(2) is None
    forecast.split("a", 4)
    assert forecast.expected(4) == 4 * 450 // 100
    forecast.drop("c")
    assert forecast.expected(4) == 16
    assert forecast.expected(40) == 40  # more are known already
    forecast.split("b", 9)
    forecast.split("b", 9)
    forecast.drop("d")
    assert forecast.expected(13) == 13


def test_a_snippet_says_nothing_of_films() -> None:
    forecast = Forecast({"snippet": 10, "film": 2000, "clip": 150})
    forecast.split("snippet", 1)
    assert forecast.expected(1) is None
    forecast.split("clip", 2)
    assert forecast.expected(3) is None
    forecast = Forecast({"snippet": 10, "film": 700, "clip": 150})
    forecast.split("snippet", 1)
    forecast.split("clip", 2)
    assert forecast.expected(3) == round(3 * 860 / 160)


def test_time_left_is_that_of_the_slowest_stage() -> None:
    flow = StageStanding("flow", 5, 10, 0, 20, rate=5.0)
    sample = StageStanding("sample", 4, 10, 0, 20, rate=0.5)
    done = StageStanding("decode", 20, 20, 0, 20)
    assert flow.seconds_left == 3 and sample.seconds_left == 32 and done.seconds_left == 0
    assert seconds_left([flow, sample, done, StageStanding("assemble", 0, 3)]) == 32
    assert seconds_left([flow, StageStanding("sample", 0, 10, 0, 20)]) is None


def test_the_manifest_gives_the_same_account_as_the_driver_also_after_a_resume(
    tmp_path: Path, restore: Callable[..., RunReport]
) -> None:
    seen: dict[str, Step] = {}
    restore(Simulation(faults={("sample", 1): "item"}), progress=lambda step: seen.update({step.stage: step}))
    compare(seen, tmp_path)
    seen.clear()
    restore(progress=lambda step: seen.update({step.stage: step}))
    compare(seen, tmp_path)
    assert (seen["sample"].done, seen["sample"].made, seen["decode"].expected) == (6, 2, 6)


def compare(seen: dict[str, Step], tmp_path: Path) -> None:
    folded = {each.stage: each for each in standings(status(str(tmp_path / "workspace")))}
    for stage in STAGES:
        step, standing = seen[stage], folded[stage]
        assert (step.done, step.total, step.failed, step.expected) == (
            standing.done,
            standing.total,
            standing.failed,
            standing.expected,
        ), stage
