"""A run that is killed, at any moment, goes on with the next and ends with the same bytes."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from boundaries import Killed, kill_at
from whole_jobs import tree

from benchmarks.simulated_stages import Simulation
from pipeline.report import RunReport
from pipeline.status import status

Restore = Callable[..., RunReport]


def test_killed_at_every_boundary_it_resumes_to_the_same_bytes(
    restore: Restore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: Path
) -> None:
    for name in ("a/one.mp4", "three.mov"):
        (library / name).unlink()
    (library / "two.mp4").write_text("15 two")
    restore(workspace=tmp_path / "straight", output=tmp_path / "expected")
    expected = tree(tmp_path / "expected")
    with monkeypatch.context() as patch:
        total = kill_at(patch, -1)
        restore(workspace=tmp_path / "counted", output=tmp_path / "counted-output")
        boundaries = total()
    assert boundaries > 40
    for target in range(1, boundaries + 1):
        workspace, output, journal = tmp_path / f"w{target}", tmp_path / f"o{target}", tmp_path / f"j{target}"
        simulation = Simulation(journal=journal)
        with monkeypatch.context() as patch:
            kill_at(patch, target)
            with pytest.raises(Killed):
                restore(simulation, workspace=workspace, output=output)
        report = restore(simulation, workspace=workspace, output=output)
        assert report.ok and tree(output) == expected, f"killed at boundary {target}"
        twice = [line for line, count in Counter(journal.read_text().splitlines()).items() if count > 1]
        # Split is one decode of the whole video: resuming it passes its finished chunks again without writing them.
        assert len([line for line in twice if not line.startswith("split")]) <= 1, f"boundary {target}: {twice}"
        assert status(str(workspace))["videos"]["done"] == 1


def test_a_run_that_is_really_killed_is_resumed(tmp_path: Path, library: Path, restore: Restore) -> None:
    child = os.fork()
    if child == 0:
        restore(Simulation(journal=tmp_path / "journal", faults={("decode", 2): "die"}))
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1
    report = restore()
    assert report.ok and report.stages["sample"].get("reused", 0) >= 1
