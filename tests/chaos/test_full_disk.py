"""A disk that fills up: one line, exit code 1, and with some space the same line goes on."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from cheap_run import CONFIG
from cheap_stages import cheap_stages
from few_machines import surroundings
from ray.cluster_utils import Cluster
from whole_jobs import ROOT, Line, committed, events, made_twice, published, restored, status, toll, write_clip

from pipeline.run import run

pytestmark = [pytest.mark.slow, pytest.mark.chaos]
Disk = Callable[[str], Path]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """Make a disk of the given size, or change the size of the one that was made."""
    place = tmp_path / "disk"

    def make(size: str) -> Path:
        options = f"{'remount,' if place.is_mount() else ''}size={size}"
        place.mkdir(exist_ok=True)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "reelift", str(place)], capture_output=True)
        if done.returncode:
            pytest.skip("no file system can be mounted here")
        return place

    yield make
    if place.is_mount():
        subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.mark.parametrize(("full", "size"), [("workspace", "96k"), ("restored", "450k")])
def test_a_full_disk_ends_the_run_in_one_line_and_the_next_goes_on(
    unbroken: Line,
    tmp_path: Path,
    disk: Disk,
    record_property: Callable[[str, object], None],
    full: str,
    size: str,
) -> None:
    places = {"restored": tmp_path / "restored", "workspace": tmp_path / "workspace"}
    places[full] = disk(size) / full
    line = replace(unbroken, output=places["restored"], workspace=places["workspace"])
    ended = line.run()
    assert ended.returncode == 1, ended.stderr
    (complaint,) = (line for line in ended.stderr.splitlines() if not line.startswith("split "))
    assert complaint.startswith(f"error: {places[full]}") and "run the same line again" in complaint
    assert "the disk is full" in complaint or "MiB are left on the disk" in complaint
    before = committed(places["workspace"])
    disk("64m")
    clock = time.monotonic()
    done = line.run()
    seconds = time.monotonic() - clock
    assert done.returncode == 0, done.stderr
    lost, again = toll(places["workspace"], before)
    record_property("chaos", [(f"disk full, {full}", 1, lost, again, seconds)])
    assert before and lost == again == 0 and not made_twice(places["workspace"])
    assert restored(places["restored"]) == restored(Path(unbroken.output))
    assert status(places["workspace"])["videos"] == {"total": 2, "done": 2, "failed": 0, "left": 0}


def fill(disk: Path) -> Path:
    """Leave no room on a disk; return the file that has taken it."""
    ballast = disk / "ballast"
    with suppress(OSError), ballast.open("ab", buffering=0) as file:
        for size in (1 << 20, 1 << 12):
            with suppress(OSError):
                while file.write(bytes(size)) == size:
                    pass
    return ballast


def test_a_disk_that_fills_up_under_a_run_on_a_cluster(
    cluster: Cluster, tmp_path: Path, disk: Disk, record_property: Callable[[str, object], None]
) -> None:
    chance, library = random.Random(8), tmp_path / "library"
    for number in range(2):
        write_clip(library / f"{number}.mkv", frames=40, audio="flac", seed=number)
    unbroken = run(CONFIG, [library], tmp_path / "expected", tmp_path / "unbroken", stages=cheap_stages(CONFIG))
    assert unbroken.ok
    place = disk("64m")
    workspace, output = place / "workspace", tmp_path / "restored"
    words = [sys.executable, "tests/support/cheap_run.py", str(library), str(output), str(workspace)]
    calling = {"cwd": ROOT, "env": surroundings(cluster), "text": True}
    process = subprocess.Popen(words, stderr=subprocess.PIPE, **calling)
    total = len(committed(tmp_path / "unbroken"))
    moment = chance.randint(total // 4, total // 2)
    while process.poll() is None and len(committed(workspace)) < moment:
        time.sleep(0.01)
    ballast = fill(place)
    said = process.communicate(timeout=240)[1]
    assert process.returncode == 1, said
    (complaint,) = (line for line in said.splitlines() if not line.startswith("split "))
    assert complaint.startswith(f"error: {workspace}/") and "run the same line again" in complaint
    assert "the disk is full" in complaint or "MiB are left on the disk" in complaint
    before = committed(workspace)
    ballast.unlink()
    clock = time.monotonic()
    done = subprocess.run(words, capture_output=True, timeout=240, check=False, **calling)
    seconds = time.monotonic() - clock
    assert done.returncode == 0, done.stderr
    lost, again = toll(workspace, before)
    record_property("chaos", [("disk full, workspace, on a cluster", 1, lost, again, seconds)])
    assert moment <= len(before) < total and lost == again == 0 and not made_twice(workspace)
    assert published(output) == published(tmp_path / "expected") != {}
    assert restored(output) == restored(tmp_path / "expected")
    assert {event["outcome"] for event in events(workspace)} <= {"done", "reused"}, "somebody was charged"
    assert status(workspace)["videos"] == {"total": 2, "done": 2, "failed": 0, "left": 0}
