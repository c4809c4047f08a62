"""Artifacts of a killed run with a bit flipped, cut off, or without a file: found, made again, and nothing else is.

The run that was killed had one process; the one that goes on has workers on several machines.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from few_machines import surroundings
from ray.cluster_utils import Cluster
from whole_jobs import Line, committed, events, made_twice, restored, status, toll

pytestmark = [pytest.mark.slow, pytest.mark.chaos]


def flip_a_bit(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def cut_off_the_end(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


DAMAGE: dict[str, tuple[str, Callable[[Path], None]]] = {
    "artifact, a bit flipped": ("sample", flip_a_bit),
    "artifact, its end cut off": ("decode", cut_off_the_end),
    "artifact, a file lost": ("flow", Path.unlink),
}


def test_what_is_damaged_is_found_reported_and_made_again(
    unbroken: Line, cluster: Cluster, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    workspace = tmp_path / "workspace"
    line = replace(unbroken, output=tmp_path / "restored", workspace=workspace)
    process = line.start_until(14, tmp_path / "log")
    process.kill()
    process.wait()
    before = committed(workspace)
    struck = {}
    for name, (stage, damage) in DAMAGE.items():
        folder = next(path for path in sorted(before) if path.startswith(f"artifacts/{stage}/"))
        damage(next(file for file in sorted((workspace / folder).iterdir()) if file.name != "artifact.json"))
        struck[name] = folder
    begun = time.monotonic()
    done = replace(line, executor="ray").run(env=surroundings(cluster))
    seconds = time.monotonic() - begun
    assert done.returncode == 0, done.stderr
    rows = [(name, 1, *toll(workspace, {folder: before[folder]}), seconds) for name, folder in struck.items()]
    record_property("chaos", rows)
    assert [row[1:4] for row in rows] == [(1, 0, 1)] * len(DAMAGE)
    assert toll(workspace, before) == (0, len(DAMAGE)), "something healthy was made again"
    told = [(row["stage"], row["fingerprint"]) for row in events(workspace) if row["outcome"] == "damaged"]
    assert sorted(told) == sorted(tuple(folder.split("/")[1:4:2]) for folder in struck.values())
    assert not made_twice(workspace)
    machines = {row["node"].rpartition("/")[2] for row in events(workspace)}
    assert machines >= {node.node_id[:8] for node in cluster.worker_nodes}, "not all machines had work"
    assert restored(tmp_path / "restored") == restored(Path(unbroken.output))
    assert status(workspace)["videos"] == {"total": 2, "done": 2, "failed": 0, "left": 0}
