"""A disk that fills up: one line, exit code 1, and with some space the same line goes on."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from whole_jobs import Line, committed, made_twice, restored, status, toll

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
