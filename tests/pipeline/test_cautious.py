"""A run with the local executor after one that an item took with it: the stages run in a process that may die."""

from __future__ import annotations

import os
import shutil
import sys
from collections import Counter
from collections.abc import Callable
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

import pytest
from whole_jobs import events

from benchmarks.simulated_stages import Simulation
from pipeline.config import RunConfig
from pipeline.executors import cautious
from pipeline.executors.cautious import CautiousExecutor
from pipeline.report import RunReport
from pipeline.status import status
from pipeline.stopping import Stop
from pipeline.storage import StorageError
from pipeline.wrapper import SetupError

Restore = Callable[..., RunReport]
POISON = {("sample", 2): "die"}


def die_once(restore: Restore, simulation: Simulation) -> None:
    """A run in a process that the poison takes with it."""
    child = os.fork()
    if child == 0:
        restore(simulation, executor=CautiousExecutor())
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) in (1, 137)


def test_poison_ends_one_run_and_is_an_error_row_of_the_next(restore: Restore, tmp_path: Path) -> None:
    simulation = Simulation(journal=tmp_path / "journal", faults=POISON)
    die_once(restore, simulation)
    before = len(list((tmp_path / "workspace").glob("artifacts/*/*/*/artifact.json")))
    report = restore(simulation, executor=CautiousExecutor())
    assert sorted(report.videos.values()) == ["done", "done", "failed"] and before
    (failure,) = report.failures
    assert (failure.stage, failure.chunk, failure.outcome) == ("sample", 2, "gave_up")
    assert failure.attempts == 3 and failure.error_class == "WorkerDied"
    rows = [row for row in events(tmp_path / "workspace") if row["chunk"] >= 0]
    poisoned = [row for row in rows if row["stage"] == "sample" and row["chunk"] == 2]
    assert Counter(row["outcome"] for row in poisoned) == {"died": 3, "gave_up": 1}
    whole = [row for row in events(tmp_path / "workspace") if row["stage"] == "split" and row["chunk"] < 0]
    outcomes = Counter(row["outcome"] for row in whole)
    assert outcomes == {"done": 3, "preempted": 3}, "split waited while its chunk was at another stage"
    assert {row["outcome"] for row in rows if row not in poisoned} <= {"done", "reused"}
    assert status(str(tmp_path / "workspace"))["videos"] == {"total": 3, "done": 2, "failed": 1, "left": 0}
    assert restore(executor=CautiousExecutor()).ok, "with a full set of attempts, and without the poison"


def test_after_a_kill_from_outside_nothing_is_charged(restore: Restore, tmp_path: Path) -> None:
    die_once(restore, Simulation(faults={("flow", 1): "die"}))
    report = restore(executor=CautiousExecutor(), config=RunConfig(limits={"attempts": 1}))
    assert report.ok and not any("died" in outcomes for outcomes in report.stages.values())
    restore(workspace=tmp_path / "straight", output=tmp_path / "expected")
    names = [path.relative_to(tmp_path / "expected") for path in (tmp_path / "expected").rglob("*.mkv")]
    assert len(names) == 3
    for name in names:
        assert (tmp_path / "restored" / name).read_bytes() == (tmp_path / "expected" / name).read_bytes()


def test_its_errors_and_the_wish_to_stop_go_from_one_process_to_the_other(restore: Restore, tmp_path: Path) -> None:
    die_once(restore, Simulation(faults=POISON))
    with pytest.raises(SetupError, match="stage decode cannot start: no weights in models/"):
        restore(Simulation(faults={("decode", -1): "setup"}), executor=CautiousExecutor())
    stop = Stop()
    report = restore(executor=CautiousExecutor(), stop=stop, progress=lambda step: step.made and stop.ask())
    assert report.left and not report.failures


def test_a_storage_that_fails_under_the_other_process_is_no_fault_of_ours(restore: Restore, tmp_path: Path) -> None:
    restore()
    record = next((tmp_path / "workspace/artifacts/flow").glob("*/*/artifact.json"))
    record.unlink()
    record.mkdir()  # what a file system may do to a file: reading it is an error of no known kind
    shutil.rmtree(tmp_path / "restored")
    with pytest.raises(StorageError, match=r"the workspace or the output failed \(.*artifact\.json'\); run the same"):
        restore(executor=CautiousExecutor(), config=RunConfig(limits={"timeouts": {"sample": 100.0}}))


def test_a_process_that_dies_before_it_works_ends_the_run_in_one_line(
    restore: Restore, monkeypatch: pytest.MonkeyPatch
) -> None:
    die_once(restore, Simulation(faults=POISON))
    monkeypatch.setattr("pipeline.executors.cautious.sys.executable", "/bin/false")
    with pytest.raises(SetupError, match="dies before it has done anything"):
        restore(executor=CautiousExecutor())


def test_a_stage_that_dies_while_it_is_set_up_ends_the_run_in_one_line_and_fails_no_video(
    restore: Restore, tmp_path: Path
) -> None:
    dying = Simulation(faults={("sample", -1): "setup dies"})
    die_once(restore, dying)
    with pytest.raises(SetupError, match="dies before it has done anything"):
        restore(dying, executor=CautiousExecutor())
    assert status(str(tmp_path / "workspace"))["videos"]["failed"] == 0
    assert restore(executor=CautiousExecutor()).ok


def test_what_the_other_process_says_of_its_own_failure_holds_no_secret(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("403, url='https://me:pw@host/a.mkv?X-Amz-Signature=SECRETSIG'")

    monkeypatch.setattr(cautious.LocalExecutor, "execute", fail)
    monkeypatch.setattr(cautious, "_die_with_the_first", lambda: None)
    ours, theirs = Pipe()
    monkeypatch.setattr(sys, "argv", ["-c", str(os.dup(theirs.fileno()))])
    ours.send(([], {}, None))
    cautious.work()
    asked, ending = ours.recv()
    assert (asked, str(ending)) == ("end", "RuntimeError: 403, url='https://host/a.mkv'")
    said = capfd.readouterr().err
    assert said.startswith("Traceback") and said.endswith("RuntimeError: 403, url='https://host/a.mkv'\n")
    assert "SECRETSIG" not in said and "me:pw" not in said


def test_after_a_run_that_ended_by_an_error_nobody_is_cautious(
    restore: Restore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SetupError, match="stage decode cannot start"):
        restore(Simulation(faults={("decode", -1): "setup"}), executor=CautiousExecutor())
    monkeypatch.setattr("pipeline.executors.cautious.sys.executable", "/bin/false")
    assert restore(executor=CautiousExecutor()).ok, "in this process"


def test_what_hangs_is_ended_where_there_is_a_limit_and_no_neighbour_is_charged(
    restore: Restore, tmp_path: Path
) -> None:
    hanging = Simulation(faults={("sample", 2): "hang"})  # without a journal it hangs every time
    limits = {"attempts": 2, "timeouts": {"sample": 1.0}}
    report = restore(hanging, executor=CautiousExecutor(), config=RunConfig(limits=limits))
    assert sorted(report.videos.values()) == ["done", "done", "failed"]
    (failure,) = report.failures
    assert (failure.stage, failure.chunk, failure.outcome) == ("sample", 2, "gave_up")
    assert failure.attempts == 2 and failure.error_class == "TimedOut" and "simulated_stages" in failure.traceback
    rows = events(tmp_path / "workspace")
    late = [row for row in rows if row["stage"] == "sample" and row["chunk"] == 2]
    assert Counter(row["outcome"] for row in late) == {"timed_out": 2, "gave_up": 1}
    assert "simulated_stages" in late[0]["traceback"] and late[0]["message"].startswith("took longer than 1 s")
    assert {row["outcome"] for row in rows if row not in late} == {"done", "reused", "preempted"}
    assert restore(executor=CautiousExecutor()).ok


def test_without_a_limit_of_ones_own_nothing_is_watched(restore: Restore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.executors.cautious.sys.executable", "/bin/false")
    monkeypatch.setattr("pipeline.wrapper.Watchdog", None)
    assert restore(executor=CautiousExecutor()).ok
