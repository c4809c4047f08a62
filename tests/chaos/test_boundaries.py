"""SIGKILL between the steps of a commit; the same line again, and what both have made."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from whole_jobs import ROOT, committed, environment, made_twice, status, toll, tree

pytestmark = [pytest.mark.slow, pytest.mark.chaos]
BOUNDARIES = {
    "between artifact and event": ("put-done", "artifacts/sample/", "2"),
    "between event and publication": ("put", "restored/one.mkv", "1"),
    "in the middle of compaction": ("remove", "manifest/events/", "2"),
}


def line(root: Path, *where: str) -> int:
    words = [sys.executable, str(Path(__file__).parent / "boundary_kill.py"), str(root), *where]
    return subprocess.run(words, cwd=ROOT, env=environment(), capture_output=True, timeout=120, check=False).returncode


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    root = library(tmp_path_factory.mktemp("straight"))
    assert line(root) == 0
    return tree(root / "restored")


def library(root: Path) -> Path:
    (root / "library").mkdir()
    (root / "library" / "one.mp4").write_text("40 frames")
    return root


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_killed_there_it_goes_on_to_the_same_end(
    boundary: str, tmp_path: Path, expected: dict[str, bytes], record_property: Callable[[str, object], None]
) -> None:
    root = library(tmp_path)
    assert line(root, *BOUNDARIES[boundary]) == -9, "nothing was killed"
    before, begun = committed(root / "workspace"), time.monotonic()
    assert line(root) == 0
    seconds = time.monotonic() - begun
    lost, again = toll(root / "workspace", before)
    record_property("chaos", [(f"driver, {boundary}", 1, lost, again, seconds)])
    assert before and lost == again == 0 and not made_twice(root / "workspace")
    assert tree(root / "restored") == expected
    runs = Counter((root / "journal").read_text().splitlines())
    assert sum(count - 1 for name, count in runs.items() if not name.startswith("split")) <= 1, "the one in flight"
    assert status(root / "workspace")["videos"] == {"total": 1, "done": 1, "failed": 0, "left": 0}
