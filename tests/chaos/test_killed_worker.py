"""Workers of a run on Ray killed in the middle of their work; on a cluster, an item that kills whoever takes it."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from few_machines import surroundings
from processes import title
from ray.cluster_utils import Cluster
from whole_jobs import ROOT, Line, committed, events, made_twice, published, simulated, status, tree

pytestmark = [pytest.mark.slow, pytest.mark.chaos]


def at_work(workspace: Path) -> list[int]:
    """The processes that have begun an attempt and not ended it, as their markers tell."""
    found = set()
    for marker in workspace.glob("attempts/*/*/*.json"):
        try:
            attempt = json.loads(marker.read_text())
        except (FileNotFoundError, ValueError):
            continue
        process = int(attempt["worker"].rpartition(":")[2])
        if not attempt["outcome"] and Path(f"/proc/{process}").exists():
            found.add(process)
    return sorted(found)


def test_workers_that_die_cost_an_attempt_each_and_nothing_else(unbroken: Line, tmp_path: Path) -> None:
    chance = random.Random(5)
    workspace = tmp_path / "workspace"
    line = replace(unbroken, executor="ray", output=tmp_path / "restored", workspace=workspace)
    process, killed = line.start(tmp_path / "log"), 0
    total = len(committed(Path(unbroken.workspace)))
    for moment in (0, total // 3, total * 2 // 3):
        while process.poll() is None and (len(committed(workspace)) < moment or not at_work(workspace)):
            time.sleep(0.005)
        for worker in chance.sample(at_work(workspace), k=1):
            assert title(worker).startswith("ray::")
            os.kill(worker, signal.SIGKILL)
            killed += 1
    assert process.wait(400) == 0, (tmp_path / "log").read_text()
    assert killed >= 2
    assert published(tmp_path / "restored") == published(Path(unbroken.output))
    assert not made_twice(workspace)
    outcomes = Counter(event["outcome"] for event in events(workspace))
    assert 1 <= outcomes["died"] <= killed and not outcomes["gave_up"] and not outcomes["failed"]
    before = committed(workspace)
    again = replace(line, executor="local").run()
    assert again.returncode == 0 and "2 already done (0 artifacts made" in again.stderr
    assert committed(workspace) == before


def test_an_item_that_kills_its_worker_is_given_up_and_no_neighbour_is_charged(
    cluster: Cluster, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    library = tmp_path / "library"
    library.mkdir()
    (library / "poisoned.mp4").write_text("25 frames of poison")
    (library / "neighbour.mp4").write_text("25 frames")
    script = Path(__file__).parent / "poison.py"
    words = [sys.executable, str(script), str(library), str(tmp_path / "restored"), str(tmp_path / "workspace")]
    env = surroundings(cluster)
    done = subprocess.run(words, cwd=ROOT, env=env, capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert {Path(source).name: state for source, state in report["videos"].items()} == {
        "poisoned.mp4": "failed",
        "neighbour.mp4": "done",
    }
    (failure,) = report["failures"]
    assert (failure["stage"], failure["chunk"], failure["outcome"]) == ("sample", 1, "gave_up")
    assert failure["attempts"] == 3 and failure["error_class"] == "WorkerDied"
    rows = [event for event in events(tmp_path / "workspace") if event["stage"] == "sample"]
    poisoned = [event for event in rows if (event["video"], event["chunk"]) == (failure["video"], 1)]
    assert Counter(event["outcome"] for event in poisoned) == {"died": 3, "gave_up": 1}
    told = {event["outcome"]: event for event in poisoned}
    seconds = (told["gave_up"]["recorded"] - min(event["started"] for event in poisoned)).total_seconds()
    record_property("chaos", [("item that kills its worker", 3, 0, len(made_twice(tmp_path / "workspace")), seconds)])
    others = [event for event in rows if event not in poisoned]
    assert [(event["outcome"], event["attempt"]) for event in others] == [("done", 1)] * 5
    machines = {event["node"].rpartition("/")[2] for event in events(tmp_path / "workspace")}
    assert machines == {node.node_id[:8] for node in cluster.worker_nodes}, "not all machines had work"
    assert status(tmp_path / "workspace")["videos"] == {"total": 2, "done": 1, "failed": 1, "left": 0}
    assert tree(tmp_path / "restored") == simulated([library / "neighbour.mp4"], tmp_path)
