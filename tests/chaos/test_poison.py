"""On a cluster, an item that kills whoever takes it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from few_machines import surroundings
from ray.cluster_utils import Cluster
from whole_jobs import ROOT, events, made_twice, simulated, status, tree

pytestmark = [pytest.mark.slow, pytest.mark.chaos]


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
