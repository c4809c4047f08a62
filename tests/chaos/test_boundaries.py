"""SIGKILL between the steps of a commit: of the driver, and the same line again; of workers, and the run goes on."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import told_deaths
from few_machines import surroundings
from ray.cluster_utils import Cluster
from whole_jobs import ROOT, committed, environment, events, made_twice, status, toll, tree

pytestmark = [pytest.mark.slow, pytest.mark.chaos]
BOUNDARIES = {
    "between artifact and event": ("put-done", "artifacts/sample/", "2"),
    "between event and publication": ("put", "restored/one.mkv", "1"),
    "in the middle of compaction": ("remove", "manifest/events/", "2"),
}
ON_A_CLUSTER = {
    "between artifact and event": ("put", "manifest/events/", "4"),
    "between event and publication": ("publish", "", "1"),
    "in the middle of compaction": ("remove", "manifest/events/", "2"),
}
"""On a cluster the workers put the artifacts, and publish."""


def line(root: Path, *where: str, script: str = "boundary_kill.py", on: Cluster | None = None) -> int:
    words = [sys.executable, str(Path(__file__).parent / script), str(root)]
    if script == "boundary_kill.py":
        words.append("ray" if on else "local")
    env = surroundings(on) if on else environment()
    done = subprocess.run([*words, *where], cwd=ROOT, env=env, capture_output=True, timeout=300, check=False)
    return done.returncode


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    root = library(tmp_path_factory.mktemp("straight"))
    assert line(root) == 0
    return tree(root / "restored")


def library(root: Path) -> Path:
    (root / "library").mkdir()
    (root / "library" / "one.mp4").write_text("40 frames")
    return root


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_killed_there_it_goes_on_to_the_same_end(
    boundary: str, tmp_path: Path, expected: dict[str, bytes], record_property: Callable[[str, object], None]
) -> None:
    root = library(tmp_path)
    assert line(root, *BOUNDARIES[boundary]) == -9, "nothing was killed"
    before, begun = committed(root / "workspace"), time.monotonic()
    assert line(root) == 0
    seconds = time.monotonic() - begun
    lost, again = toll(root / "workspace", before)
    record_property("chaos", [(f"driver, {boundary}", 1, lost, again, seconds)])
    assert before and lost == again == 0 and not made_twice(root / "workspace")
    assert tree(root / "restored") == expected
    runs = Counter((root / "journal").read_text().splitlines())
    assert sum(count - 1 for name, count in runs.items() if not name.startswith("split")) <= 1, "the one in flight"
    assert status(root / "workspace")["videos"] == {"total": 1, "done": 1, "failed": 0, "left": 0}


@pytest.mark.timeout(900)
def test_a_driver_on_a_cluster_is_killed_there_too(
    cluster: Cluster, tmp_path: Path, expected: dict[str, bytes], record_property: Callable[[str, object], None]
) -> None:
    rows = []
    for number, (boundary, where) in enumerate(ON_A_CLUSTER.items()):
        (tmp_path / str(number)).mkdir()
        root = library(tmp_path / str(number))
        assert line(root, *where, on=cluster) == -9, f"{boundary}: nothing was killed"
        before, begun = committed(root / "workspace"), time.monotonic()
        assert line(root, on=cluster) == 0, boundary
        rows.append(
            (f"driver on a cluster, {boundary}", 1, *toll(root / "workspace", before), time.monotonic() - begun)
        )
        assert before and rows[-1][2] == rows[-1][3] == 0, rows
        assert not made_twice(root / "workspace")
        assert tree(root / "restored") == expected, boundary
        assert status(root / "workspace")["videos"] == {"total": 1, "done": 1, "failed": 0, "left": 0}
    record_property("chaos", rows)


def test_workers_killed_at_every_step_of_a_commit_cost_the_item_in_hand_and_nothing_else(
    tmp_path: Path, expected: dict[str, bytes], record_property: Callable[[str, object], None]
) -> None:
    root = library(tmp_path)
    assert line(root, "worker", str(root), script="worker_boundary_kills.py") == 0
    rows = events(root / "workspace")
    found = told_deaths.toll(root / "deaths", rows)
    record_property("chaos", [found.row("worker, at the steps of a commit")])
    assert found.stages == {"split": 2, "sample": 5, "assemble": 3}
    assert found.again == 0 and not made_twice(root / "workspace")
    charged = Counter(row["stage"] for row in rows if row["outcome"] not in ("done", "reused"))
    assert charged.keys() <= {"split", "sample", "assemble"} and charged.total() <= found.stages.total()
    assert tree(root / "restored") == expected
    assert status(root / "workspace")["videos"] == {"total": 1, "done": 1, "failed": 0, "left": 0}
