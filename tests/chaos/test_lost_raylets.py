"""SIGKILL of a machine's raylet while one of its workers is at a step of a commit; the run goes on elsewhere."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import told_deaths
from few_machines import MACHINE, surroundings
from ray.cluster_utils import Cluster
from whole_jobs import ROOT, events, made_twice, simulated, status, tree

pytestmark = [pytest.mark.slow, pytest.mark.chaos]


def replace_lost(cluster: Cluster) -> None:
    """Add a machine for each one whose raylet is gone."""
    for node in list(cluster.worker_nodes):
        if node.all_processes["raylet"][0].process.poll() is not None:
            cluster.worker_nodes.discard(node)
            cluster.add_node(**MACHINE)


def test_a_raylet_killed_at_a_step_of_a_commit_costs_no_attempt(
    cluster: Cluster, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    (tmp_path / "library").mkdir()
    (tmp_path / "library" / "one.mp4").write_text("40 frames")
    script = Path(__file__).parent / "worker_boundary_kills.py"
    words = [sys.executable, str(script), str(tmp_path), "raylet", str(tmp_path)]
    with (tmp_path / "log").open("wb") as log:
        driver = subprocess.Popen(words, cwd=ROOT, env=surroundings(cluster), stdout=log, stderr=log)
    deadline = time.monotonic() + 400
    while driver.poll() is None and time.monotonic() < deadline:
        replace_lost(cluster)
        time.sleep(0.2)
    assert driver.poll() == 0, (tmp_path / "log").read_text()
    rows = events(tmp_path / "workspace")
    found = told_deaths.toll(tmp_path / "deaths", rows)
    record_property("chaos", [found.row("raylet, at the steps of a commit")])
    assert found.stages == {"split": 1, "sample": 2, "assemble": 1}
    assert found.again == 0 and not made_twice(tmp_path / "workspace")
    outcomes = Counter(row["outcome"] for row in rows)
    assert outcomes.keys() <= {"done", "reused", "preempted"}, f"charged for a machine that was lost: {outcomes}"
    assert outcomes["preempted"] and outcomes["reused"], outcomes
    assert status(tmp_path / "workspace")["videos"] == {"total": 1, "done": 1, "failed": 0, "left": 0}
    assert tree(tmp_path / "restored") == simulated([tmp_path / "library"], tmp_path)
