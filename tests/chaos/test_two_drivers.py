"""Two drivers on one workspace: the second is refused; told to take over, it does, and the first stops by itself.

By itself on one machine, and as KubeRay does it: each on a cluster of its own, whose workers are at work at once.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from few_machines import few_machines, surroundings
from ray.cluster_utils import Cluster
from whole_jobs import ROOT, Line, committed, events, made_twice, published, simulated, status, toll, tree

from pipeline import manifest
from pipeline.storage import Storage

pytestmark = [pytest.mark.slow, pytest.mark.chaos]


def test_the_second_is_refused_or_the_first_stops(
    unbroken: Line, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    workspace = tmp_path / "workspace"
    line = replace(unbroken, output=tmp_path / "restored", workspace=workspace)
    first = line.start_until(8, tmp_path / "log")
    first.send_signal(signal.SIGSTOP)
    try:
        assert first.poll() is None
        refused = line.run()
        assert refused.returncode == 1
        (complaint,) = refused.stderr.splitlines()
        assert complaint.startswith(f"error: {workspace}: another run is at work on this workspace (host ")
        assert f"process {first.pid}); wait for it to end, or take over (--takeover)" in complaint
        begun = time.monotonic()
        second = replace(line, more=["--takeover"]).run()
        seconds = time.monotonic() - begun
        assert second.returncode == 0, second.stderr
    finally:
        first.send_signal(signal.SIGCONT)
    assert first.wait(120) == 1
    said = (tmp_path / "log").read_text()
    assert said.splitlines()[-1] == (
        f"error: {workspace}: another run (epoch 2) has taken this workspace over; this one (epoch 1) has stopped"
    )
    assert "Traceback" not in said
    assert published(tmp_path / "restored") == published(Path(unbroken.output))
    twice = made_twice(workspace)
    record_property("chaos", [("second driver", 2, 0, len(twice), seconds)])
    assert not twice
    assert status(workspace)["videos"] == {"total": 2, "done": 2, "failed": 0, "left": 0}


VIDEOS, CHUNKS, WORKERS = 4, 6, 6


def start(root: Path, cluster: Cluster, *options: str) -> subprocess.Popen[str]:
    words = [sys.executable, str(Path(__file__).parent / "cluster_run.py"), str(root), "--calm", *options]
    return subprocess.Popen(words, cwd=ROOT, env=surroundings(cluster), stderr=subprocess.PIPE, text=True)


def wait_for(workspace: Path, artifacts: int, driver: subprocess.Popen[str]) -> None:
    """Wait until so many artifacts are committed, and some have been told of: a driver writes events in parts."""
    deadline = time.monotonic() + 120
    while len(committed(workspace)) < artifacts or not events(workspace):
        assert driver.poll() is None and time.monotonic() < deadline, f"{len(committed(workspace))} artifacts"
        time.sleep(0.05)


def test_on_two_clusters_the_newer_wins_and_nothing_that_was_committed_is_made_again(
    cluster: Cluster, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    (tmp_path / "library").mkdir()
    for number in range(VIDEOS):
        (tmp_path / "library" / f"{number}.mp4").write_text(f"{CHUNKS * 10} video {number}")
    workspace = tmp_path / "workspace"
    with few_machines() as another:
        first = start(tmp_path, cluster)
        wait_for(workspace, 15, first)
        refused = start(tmp_path, another)
        assert "another run is at work on this workspace" in refused.communicate(timeout=120)[1]
        assert refused.returncode == 1 and first.poll() is None
        first.send_signal(signal.SIGSTOP)  # its workers go on with what they have in hand
        before, begun = committed(workspace), time.monotonic()
        second = start(tmp_path, another, "--takeover")
        try:
            wait_for(workspace, len(before) + 15, second)
        finally:
            first.send_signal(signal.SIGCONT)
        said = first.communicate(timeout=120)[1]
        assert second.wait(240) == 0
        seconds = time.monotonic() - begun
    assert first.returncode == 1 and "another run (epoch 2) has taken this workspace over" in said
    lost, again = toll(workspace, before)
    record_property("chaos", [("second driver, on a cluster of its own", 2, lost, again, seconds)])
    assert lost == again == 0
    assert len(made_twice(workspace)) <= WORKERS, "more than what the first one's workers had in hand"
    written = {row["id"]: row["epoch"] for row in events(workspace)}
    believed = {row["id"] for table in manifest.read(Storage(workspace), "events") for row in table.to_pylist()}
    assert {written[each] for each in believed} == {1, 2}
    assert all(each in believed for each, epoch in written.items() if epoch == 2)
    assert status(workspace)["videos"] == {"total": VIDEOS, "done": VIDEOS, "failed": 0, "left": 0}
    assert tree(tmp_path / "restored") == simulated([tmp_path / "library"], tmp_path)
