"""A folder of odd tapes through the command line: what can be restored is, and each of the others says why by name."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from whole_jobs import ROOT, Line, check_restored, environment, status, write_clip

LONG = 239
"""Bytes of the longest name that there can be: ``.provenance.json`` makes it 255."""
SIZES = [(1, 1), (3, 70), (70, 3), (17, 33)]


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory, model: Path) -> Line:
    root = tmp_path_factory.mktemp("odd")
    tapes = root / "tapes"
    for number, size in enumerate(SIZES):
        write_clip(tapes / "{}x{}.mkv".format(*size), frames=2, size=size, seed=number)
    write_clip(tapes / f"{'l' * LONG}.mkv", frames=1, seed=9)
    write_clip(tapes / f"{'m' * (LONG + 1)}.mkv", frames=1, seed=9)
    write_clip(tapes / "two\nlines [red]%.mkv", frames=1, seed=10)
    (tapes / "folder.mkv").mkdir()
    write_clip(root / "outside" / "far.mkv", frames=1, seed=11)
    (tapes / "linked").symlink_to(root / "outside")
    return Line([tapes], root / "restored", root / "workspace", model)


@pytest.fixture(scope="module")
def done(line: Line) -> subprocess.CompletedProcess[str]:
    return line.run()


def test_all_that_can_be_is_restored(line: Line, done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 2, done.stderr
    for name in [*("{}x{}".format(*size) for size in SIZES), "l" * LONG, "two\nlines [red]%"]:
        check_restored(Path(line.inputs[0]) / f"{name}.mkv", Path(line.output) / f"{name}.mkv")
    assert status(Path(line.workspace))["videos"] == {"total": 7, "done": 6, "failed": 1, "left": 0}


def test_a_name_that_leaves_no_room_is_told_before_any_work(line: Line, done: subprocess.CompletedProcess[str]) -> None:
    (failure,) = status(Path(line.workspace))["failures"]
    assert failure["stage"] == "split" and failure["attempts"] == 1
    assert f"its name is too long ({LONG + 1} bytes without its suffix, where {LONG} leave room" in failure["message"]


def test_a_link_to_a_folder_is_named_and_not_followed(line: Line, done: subprocess.CompletedProcess[str]) -> None:
    link = Path(line.inputs[0]) / "linked"
    told = f"warning: {link}: a link to a folder, which is not followed; name it to have it searched"
    assert told in done.stderr.splitlines()
    words = [sys.executable, "-m", "jobs.plan", str(line.inputs[0]), "--quick", "--json"]
    plan = subprocess.run(words, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=120, check=False)
    assert told in plan.stderr.splitlines()
    assert json.loads(plan.stdout)["passed_over"] == {}
