"""A chunk that takes more memory than there is: Ray's memory monitor ends workers, and the right one is blamed.

One of two machines is short of memory: when ``ROOM`` more is taken than at the start, whatever there is. Other tests
beside this one may take a part of that.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from few_machines import few_machines, surroundings
from whole_jobs import ROOT, events, made_twice, simulated, tree

pytestmark = [pytest.mark.slow, pytest.mark.chaos]
NEEDED, ROOM = 12 << 30, 5 << 30
TURNS = 3
SHORT = "the machine of this run was short of memory"


def memory() -> dict[str, int]:
    lines = Path("/proc/meminfo").read_text().splitlines()
    return {line.split(":")[0]: int(line.split()[1]) << 10 for line in lines}


def short_machine() -> dict[str, Any]:
    """A machine with a monitor of its own: Ray's on the others see the same memory, and would end workers there."""
    now = memory()
    share = (now["MemTotal"] - now["MemAvailable"] + ROOM) / now["MemTotal"]
    monitor = {"RAY_memory_usage_threshold": f"{share:.4f}", "RAY_memory_monitor_refresh_ms": "200"}
    return {"labels": {"memory": "short"}, "env_vars": monitor}


def run_beside_a_hungry_chunk(folder: Path) -> subprocess.CompletedProcess[str]:
    library = folder / "library"
    library.mkdir(parents=True)
    (library / "hungry.mp4").write_text("25 frames, hungry ones")
    (library / "neighbour.mp4").write_text("45 frames")
    script = Path(__file__).parent / "memory_hog.py"
    words = [sys.executable, str(script), str(library), str(folder / "restored"), str(folder / "workspace")]
    with few_machines({}, short_machine()) as cluster:
        env = surroundings(cluster)
        return subprocess.run(words, cwd=ROOT, env=env, capture_output=True, text=True, timeout=400, check=False)


def rows_of_the_hungry_chunk(folder: Path) -> list[dict[str, object]]:
    video = hashlib.sha256((folder / "library" / "hungry.mp4").read_bytes()).hexdigest()[:16]
    wanted = {"stage": "sample", "video": video, "chunk": 1}
    return [event for event in events(folder / "workspace") if wanted.items() <= event.items()]


@pytest.mark.timeout(1200)
def test_the_chunk_is_given_up_for_want_of_memory_and_no_neighbour_is_charged(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    if memory()["MemAvailable"] < NEEDED:
        pytest.skip("needs 12 GiB of free memory")
    for turn in range(TURNS):
        begun = time.monotonic()
        done = run_beside_a_hungry_chunk(folder := tmp_path / str(turn))
        outcomes = Counter(row["outcome"] for row in rows_of_the_hungry_chunk(folder))
        if SHORT not in done.stderr and outcomes["evicted"]:  # else other tests took the memory before the chunk could
            break
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    states = {Path(source).name: state for source, state in report["videos"].items()}
    assert states == {"hungry.mp4": "failed", "neighbour.mp4": "done"}
    (failure,) = report["failures"]
    assert (failure["stage"], failure["chunk"], failure["outcome"]) == ("sample", 1, "gave_up")
    assert failure["attempts"] == 2 and failure["error_class"] == "OutOfMemory"
    assert failure["message"] == "given up after 2 attempts; the last one ran out of memory, and Ray ended its worker"
    assert outcomes == {"evicted": 1, "died": 2, "gave_up": 1}
    hungry = rows_of_the_hungry_chunk(folder)
    assert len({row["node"] for row in events(folder / "workspace")}) == 2, "one machine had all the work"
    others = [row for row in events(folder / "workspace") if row["chunk"] >= 0 and row not in hungry]
    assert {row["outcome"] for row in others} <= {"done", "evicted"}, "a neighbour was charged"
    assert not made_twice(folder / "workspace")
    assert tree(folder / "restored") == simulated([folder / "library" / "neighbour.mp4"], folder)
    record_property("chaos", [("item out of memory", 3, 0, 0, time.monotonic() - begun)])
