"""The commands of the manual's first page, run in order as they stand there, on clips of a few frames."""

from __future__ import annotations

from pathlib import Path

import pytest
from manual import blocks
from manual_commands import run
from whole_jobs import ROOT, check_restored, write_clip

pytestmark = pytest.mark.slow

NOT_RUN = ("-m venv", "reelift demo")
"""Blocks with these install something, or take minutes."""


def test_first_restoration(tmp_path: Path) -> None:
    write_clip(tmp_path / "tape.mkv", frames=4, size=(32, 24), audio="flac")
    write_clip(tmp_path / "tapes" / "reel.mkv", frames=3, size=(32, 24), seed=3)
    page = [b for b in blocks(ROOT / "docs" / "first-restoration.md") if not any(words in b.text for words in NOT_RUN)]
    first, looked, again, folder = (run(block, tmp_path) for block in page)
    check_restored(tmp_path / "tape.mkv", tmp_path / "restored/tape.mkv", scale=4)
    check_restored(tmp_path / "tapes/reel.mkv", tmp_path / "restored-tapes/reel.mkv", scale=4)
    assert "1 restored" in first and "1 already done" in again and "1 restored" in folder
    assert "1 whole" in looked and str(tmp_path / "run1/report/index.html") in looked
    assert (tmp_path / "run1/report/index.html").is_file()
