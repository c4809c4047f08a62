"""A disk that fills up: one line, exit code 1, and with some space the same line goes on."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from whole_jobs import Line, check_restored, made_twice, write_clip

pytestmark = pytest.mark.slow
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


@pytest.mark.parametrize(("full", "size"), [("workspace", "96k"), ("workspace", "320k"), ("restored", "64k")])
def test_a_full_disk_ends_the_run_in_one_line_and_the_next_goes_on(
    tmp_path: Path, model: Path, disk: Disk, full: str, size: str
) -> None:
    source = write_clip(tmp_path / "library" / "one.mkv", frames=20)
    places = {"restored": tmp_path / "restored", "workspace": tmp_path / "workspace"}
    places[full] = disk(size) / full
    line = Line([source], places["restored"], places["workspace"], model)
    ended = line.run()
    assert ended.returncode == 1, ended.stderr
    (complaint,) = (line for line in ended.stderr.splitlines() if not line.startswith("split "))
    assert complaint.startswith(f"error: {places[full]}") and "run the same line again" in complaint
    assert "the disk is full" in complaint or "MiB are left on the disk" in complaint
    disk("64m")
    again = line.run()
    assert again.returncode == 0, again.stderr
    check_restored(source, places["restored"] / "one.mkv")
    assert not made_twice(places["workspace"])
