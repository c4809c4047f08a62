"""``verify`` after a whole job: silent while nothing was altered, and exit code 2 for every file that was."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from whole_jobs import ROOT, Line, environment, write_clip

from jobs.console import reset_manner
from jobs.verify import verify as command

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory, model: Path) -> Path:
    """A folder with library, restored and workspace."""
    root = tmp_path_factory.mktemp("verify")
    write_clip(root / "library" / "a.mkv", frames=9, audio="flac")
    write_clip(root / "library" / "below" / "b.mkv", frames=3)
    done = Line([root / "library"], root / "restored", root / "workspace", model).run()
    assert done.returncode == 0, done.stderr
    return root


def verify(place: Path) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "jobs.verify", str(place), "--json"]
    return subprocess.run(words, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=120, check=False)


def test_an_untouched_job_is_whole(job: Path) -> None:
    for place in (job / "workspace", job / "restored"):
        done = verify(place)
        assert done.returncode == 0, done.stderr
        verdicts = json.loads(done.stdout)
        assert [verdict["video"] for verdict in verdicts] == ["a.mkv", "below/b.mkv"]
        assert not any(verdict["differences"] for verdict in verdicts)


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("alter", "said"),
    [
        (lambda root: flip(root / "restored/a.mkv"), "a.mkv has another SHA-256 than it was written with"),
        (lambda root: flip(root / "restored/a.framemd5"), "a.framemd5 has another SHA-256 than it was written with"),
        (lambda root: (root / "restored/a.mkv").unlink(), "a.mkv is missing"),
        (lambda root: flip(root / "library/a.mkv"), "the source is not the file that was restored"),
        (lambda root: (root / "library/a.mkv").unlink(), "the source is not there any more"),
    ],
)
def test_what_was_altered_is_named(job: Path, alter: Callable[[Path], None], said: str) -> None:
    kept = job.with_name("kept")
    shutil.copytree(job, kept)
    try:
        alter(job)
        done = verify(job / "workspace")
    finally:
        shutil.rmtree(job)
        kept.rename(job)
    assert done.returncode == 2
    assert done.stderr.splitlines()[0] == f"a.mkv: {said}"
    assert [bool(verdict["differences"]) for verdict in json.loads(done.stdout)] == [True, False]


def test_a_place_without_anything_to_verify_is_an_error(tmp_path: Path) -> None:
    done = verify(tmp_path)
    assert done.returncode == 1
    assert "neither a workspace nor a folder with videos" in done.stderr


def test_a_name_with_a_line_break_is_told_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And one that would colour the terminal does not."""
    (tmp_path / "a\nb\x1b[31m.framemd5").touch()
    reset_manner()
    assert command(str(tmp_path)) == 2
    told, _, more = capsys.readouterr().err.partition("\n")
    assert told == r"a\nb\x1b[31m.mkv: is missing; its framemd5 is there" and more.count("\n") == 1
