"""The commands of two pages of the manual, run in order as they stand there, on clips of a few frames."""

from __future__ import annotations

from pathlib import Path

import pytest
from manual import blocks, run
from whole_jobs import ROOT, check_restored, write_clip

pytestmark = pytest.mark.slow

NOT_RUN = ("-m venv", "reelift demo")
"""Blocks with these install something, or take minutes."""


def run_page(name: str, folder: Path) -> list[str]:
    """Run the blocks of a page; return what each said."""
    return [run(b, folder) for b in blocks(ROOT / "docs" / name) if not any(words in b.text for words in NOT_RUN)]


@pytest.fixture
def surroundings(tmp_path: Path) -> Path:
    """What the pages take for granted: a video, a folder of videos, one of them broken."""
    write_clip(tmp_path / "tape.mkv", frames=4, size=(32, 24), audio="flac")
    write_clip(tmp_path / "good.mkv", frames=3, size=(32, 24), seed=2)
    write_clip(tmp_path / "tapes" / "reel.mkv", frames=3, size=(32, 24), seed=3)
    return tmp_path


def test_first_restoration(surroundings: Path) -> None:
    first, looked, again, folder = run_page("first-restoration.md", surroundings)
    check_restored(surroundings / "tape.mkv", surroundings / "restored/tape.mkv", scale=4)
    assert "1 restored" in first and "1 already done" in again and "1 restored" in folder
    assert "1 whole" in looked and str(surroundings / "run1/report/index.html") in looked.replace("/private", "")
    assert (surroundings / "run1/report/index.html").is_file()


def test_resuming_and_reprocessing(surroundings: Path) -> None:
    (surroundings / "tapes" / "broken.mkv").write_text("not a video")
    run_first, looked, retried, reprocessed, last = run_page("resuming.md", surroundings)
    assert "1 restored" in run_first and "1 failed" in run_first
    assert "cannot be opened as a video" in looked
    assert "1 restored" in retried and "0 failed" in retried
    assert "to run:" in reprocessed and "2 restored" in reprocessed
    assert "2 whole" in last
    for source in (surroundings / "tapes").iterdir():
        check_restored(source, surroundings / "restored" / source.name, scale=4)
    assert not (surroundings / "run1/artifacts/decode").exists() or not any(
        (surroundings / "run1/artifacts/decode").rglob("artifact.json")
    )
