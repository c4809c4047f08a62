"""The driver killed at random moments, and the same line again."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest
from processes import children, title
from whole_jobs import Line, committed, made_twice, published, restored, status

from jobs.last_words import MESSAGE

pytestmark = [pytest.mark.slow, pytest.mark.chaos]


def strike(line: Line, chance: random.Random, until: int, victim: str) -> tuple[bool, dict[str, tuple[int, int]]]:
    """Run the line and kill the driver, or a child of it, a moment after ``until`` artifacts are there.

    Returns whether it was killed (or had ended before), and the artifacts that were there after its death.
    """
    workspace = Path(line.workspace)
    log = workspace.with_suffix(".log")
    said, there = errors(log), len(committed(workspace))
    if victim != "driver":  # as many artifacts may be there before Ray is
        until += there + 1
    process = line.start(log)
    while process.poll() is None and len(committed(workspace)) < until:
        time.sleep(0.005)
    time.sleep(chance.uniform(0.0, 0.15))
    target = process.pid if victim == "driver" else child(process.pid, victim)
    killed = target != 0 and process.poll() is None
    if killed:
        os.kill(target, signal.SIGKILL)
        process.wait(120)
        if len(committed(workspace)) > there:  # or it was killed before it had begun
            wait_for_last_words(log, said + 1)
            assert victim != "driver" or errors(log, MESSAGE) > 0
    return killed, committed(workspace)


def errors(log: Path, text: str = "") -> int:
    """How many lines of a log tell of an error with this text."""
    lines = log.read_text().splitlines() if log.exists() else []
    return sum(each.startswith("error: ") and text in each for each in lines)


def wait_for_last_words(log: Path, times: int) -> None:
    """Another process says them, a moment after the run's own is gone; unless Ray has left that the time to."""
    deadline = time.monotonic() + 20
    while errors(log) < times:
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)
    assert errors(log) == times and "Traceback" not in log.read_text()


def child(parent: int, program: str) -> int:
    """The child process of ``parent`` that runs ``program``; 0 if there is none."""
    return next((each for each in children({parent}) if program in title(each).split(" ")[0]), 0)


@pytest.mark.parametrize(
    ("executor", "seed", "victims"), [("local", 1, ["driver"] * 3), ("ray", 2, ["raylet", "driver"])]
)
def test_a_killed_driver_loses_nothing_and_repeats_nothing(
    unbroken: Line, tmp_path: Path, executor: str, seed: int, victims: list[str]
) -> None:
    chance = random.Random(seed)
    places = {"output": tmp_path / "restored", "workspace": tmp_path / "workspace"}
    line = replace(unbroken, executor=executor, **places)
    total = len(committed(Path(unbroken.workspace)))
    found: dict[str, tuple[int, int]] = {}
    struck = 0
    moments = sorted(chance.sample(range(total), len(victims)))
    for moment, victim in zip(moments, victims, strict=True):
        killed, now = strike(line, chance, moment, victim)
        struck += killed
        assert {name: now[name] for name in found} == found, "what was committed was made again"
        found = now
    assert struck >= 2 and len(found) > 0, "nothing was interrupted"
    done = line.run()
    assert done.returncode == 0, done.stderr
    check_end(unbroken, line, found)


def check_end(unbroken: Line, line: Line, found: dict[str, tuple[int, int]]) -> None:
    """All is there and the same, nothing is left over, and nothing that was ``found`` has been made again."""
    workspace, output = Path(line.workspace), Path(line.output)
    assert published(output) == published(Path(unbroken.output))
    assert restored(output) == restored(Path(unbroken.output))
    after = committed(workspace)
    assert {name: after[name] for name in found} == found
    assert not made_twice(workspace)
    state = status(workspace)
    assert state["videos"] == {"total": 2, "done": 2, "failed": 0, "left": 0} and not state["failures"]
    assert not any((workspace / "scratch").iterdir()) and not list(workspace.rglob("*.partial"))


def test_a_kill_while_it_starts_costs_nothing(unbroken: Line, tmp_path: Path) -> None:
    chance = random.Random(4)
    line = replace(unbroken, output=tmp_path / "restored", workspace=tmp_path / "workspace")
    for _ in range(3):
        process = line.start(tmp_path / "log")
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(chance.uniform(0.2, 4.0))
        process.kill()
        process.wait()
    done = line.run()
    assert done.returncode == 0, done.stderr
    check_end(unbroken, line, {})


def test_an_interrupted_run_says_that_it_can_go_on_and_does(unbroken: Line, tmp_path: Path) -> None:
    workspace = tmp_path / "workspace"
    line = replace(unbroken, output=tmp_path / "restored", workspace=workspace)
    process = line.start_until(6, tmp_path / "log")
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    said = (tmp_path / "log").read_text()
    *_, stopped, again = said.splitlines()
    assert stopped == "Stopped. The same command line goes on from here:" and "Traceback" not in said
    assert again.startswith("  python -m jobs.restore --output ")
    found = committed(workspace)
    assert status(workspace)["stages"]["split"]["done"] > 0
    done = line.run()
    assert done.returncode == 0, done.stderr
    check_end(unbroken, line, found)
