"""A cluster of several machines, struck at seeded moments: workers of every kind, a raylet, a machine, the driver.

All runs of one job share a workspace, so what one run committed the next must not make again. ``--strikes N`` strikes
longer than the suite does by itself.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from few_machines import MACHINE, raylet, surroundings
from processes import children, title
from ray.cluster_utils import Cluster
from whole_jobs import ROOT, committed, events, made_twice, simulated, status, toll, tree

pytestmark = [pytest.mark.slow, pytest.mark.chaos]
VIDEOS, CHUNKS = 4, 6


class Siege:
    """One workspace, the driver of the moment, and what was done to it."""

    def __init__(self, root: Path, cluster: Cluster, seed: int) -> None:
        self.root, self.cluster, self.chance = root, cluster, random.Random(seed)
        self.workspace = root / "workspace"
        self.rows: list[tuple[str, int, int, int, float]] = []
        self.removed: dict[str, datetime] = {}
        self.driver = self.start()

    def start(self) -> subprocess.Popen[bytes]:
        words = [sys.executable, str(Path(__file__).parent / "cluster_run.py"), str(self.root)]
        with (self.root / "log").open("ab") as log:
            return subprocess.Popen(words, cwd=ROOT, env=surroundings(self.cluster), stdout=log, stderr=log)

    def wait_for(self, more: int, seconds: float = 120) -> float:
        """Wait until so many more artifacts are committed, or the driver ends; return how long that took."""
        begun, before = time.monotonic(), len(committed(self.workspace))
        while self.driver.poll() is None and len(committed(self.workspace)) < before + more:
            assert time.monotonic() - begun < seconds, f"nothing moves: {(self.root / 'log').read_text()[-3000:]}"
            time.sleep(0.05)
        return time.monotonic() - begun

    def strike(self, name: str, blow: Callable[[], Any]) -> None:
        """Strike, and note what it cost until the next chunk-stage is committed."""
        self.wait_for(self.chance.randint(1, 5))
        time.sleep(self.chance.uniform(0.0, 0.3))
        before = committed(self.workspace)
        struck = blow()
        if struck is False:
            return
        seconds = self.wait_for(1)
        self.rows.append((name, 1, *toll(self.workspace, before), seconds))

    def worker(self, stage: str) -> int:
        """A process of this cluster that does this stage's work, 0 if there is none."""
        raylets = {raylet(node) for node in self.cluster.list_all_nodes()[1:]}
        living = [pid for pid in children(raylets) if title(pid).startswith(f"ray::{stage.capitalize()}Worker")]
        return self.chance.choice(living) if living else 0

    def kill_worker(self, stage: str) -> bool:
        pid = self.worker(stage)
        if pid:
            os.kill(pid, signal.SIGKILL)
        return bool(pid)

    def kill_raylet(self) -> None:
        node = self.chance.choice(self.cluster.list_all_nodes()[1:])
        node.kill_raylet()
        self.cluster.worker_nodes.discard(node)
        self.cluster.add_node(**MACHINE)

    def remove_node(self) -> None:
        """Take a machine away as its system does when it shuts down: the workers end before Ray's own processes."""
        node = self.chance.choice(self.cluster.list_all_nodes()[1:])
        self.cluster.add_node(**MACHINE)
        self.removed[node.node_id[:8]] = datetime.now(UTC)
        for pid in children({raylet(node)}):
            if title(pid).startswith("ray::"):
                os.kill(pid, signal.SIGKILL)
        time.sleep(self.chance.uniform(0.1, 1.0))
        self.cluster.remove_node(node)

    def kill_driver(self) -> None:
        self.driver.kill()
        self.driver.wait()
        self.driver = self.start()


def hangs(workspace: Path) -> list[tuple[str, int, int, int, float]]:
    """What workers that hung cost, by the manifest: from the end of the attempt to the next good news of the item."""
    rows, found = events(workspace), []
    good = [row for row in rows if row["outcome"] in ("done", "reused")]
    for late in (row for row in rows if row["outcome"] == "timed_out"):
        after = [row["recorded"] for row in good if row["fingerprint"] == late["fingerprint"]]
        seconds = (min(each for each in after if each > late["recorded"]) - late["recorded"]).total_seconds()
        found.append(("worker hangs", 1, 0, 0, seconds))
    return found


def test_a_cluster_that_is_struck_everywhere_loses_nothing(
    cluster: Cluster, tmp_path: Path, record_property: Callable[[str, object], None], request: pytest.FixtureRequest
) -> None:
    (tmp_path / "library").mkdir()
    rounds = request.config.getoption("--strikes")
    videos = VIDEOS * rounds
    for number in range(videos):
        (tmp_path / "library" / f"{number}.mp4").write_text(f"{CHUNKS * 10} video {number}")
    siege = Siege(tmp_path, cluster, seed=6)
    blows: list[tuple[str, Callable[[], Any]]] = [
        ("raylet killed", siege.kill_raylet),
        *((f"{stage} worker killed", lambda stage=stage: siege.kill_worker(stage)) for stage in ("sample", "flow")),
        ("driver killed", siege.kill_driver),
        *(
            (f"{stage} worker killed", lambda stage=stage: siege.kill_worker(stage))
            for stage in ("decode", "split", "assemble")
        ),
        ("machine removed", siege.remove_node),
        ("driver killed", siege.kill_driver),
    ]
    for name, blow in blows * rounds:
        if siege.driver.poll() is None:
            siege.strike(name, blow)
    assert siege.driver.wait(240) == 0, (tmp_path / "log").read_text()[-3000:]
    record_property("chaos", [*siege.rows, *hangs(siege.workspace)])
    struck = Counter(name for name, *_ in siege.rows)
    assert struck["raylet killed"] and struck["driver killed"] and struck.total() >= 5, struck
    assert all(lost == again == 0 for _, _, lost, again, _ in siege.rows), siege.rows
    assert not made_twice(siege.workspace)
    assert status(siege.workspace)["videos"] == {"total": videos, "done": videos, "failed": 0, "left": 0}
    outcomes = Counter(row["outcome"] for row in events(siege.workspace))
    assert not outcomes["gave_up"] and not outcomes["failed"], outcomes
    for row in (row for row in events(siege.workspace) if row["outcome"] == "died"):
        removed = siege.removed.get(row["node"].rpartition("/")[2])
        assert removed is None or row["recorded"] < removed, f"charged for a machine that left: {row}"
    assert tree(tmp_path / "restored") == simulated([tmp_path / "library"], tmp_path)
