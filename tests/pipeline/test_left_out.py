"""What of a source is not in its result is told by the run, by ``status`` and by the report."""

from __future__ import annotations

from pathlib import Path

import odd_clips
import pytest
from cheap_stages import cheap_stages
from rich.console import Console

from jobs.outcome import conclude
from jobs.status import picture
from pipeline.config import load_config
from pipeline.report import RunReport
from pipeline.run import run
from pipeline.status import status
from pipeline.storage import Storage
from report.account import read_account
from report.build import build_report
from report.index_page import row_of
from report.settings import ReportSettings


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A film with two angles, and one with one."""
    folder = tmp_path / "library"
    folder.mkdir()
    odd_clips.write_texture(tmp_path)
    moving = odd_clips.moving(seconds=0.2)
    odd_clips.ffmpeg(f"{moving} -map 0:v -map 0:v -c:v ffv1 library/angles.mkv", tmp_path)
    odd_clips.ffmpeg(f"{moving} -c:v ffv1 library/plain.mkv", tmp_path)
    return folder


def restore(tmp_path: Path, *settings: str) -> RunReport:
    config = load_config(overrides=["assemble.framemd5=false", *settings])
    places = [tmp_path / "library"], tmp_path / "restored", tmp_path / "work"
    return run(config, *places, stages=cheap_stages(config), allow_changed=True)


def test_a_run_tells_it_also_when_it_finds_the_result_there(
    library: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    angles = str(library / "angles.mkv")
    for state in ("done", "reused"):
        report = restore(tmp_path)
        assert report.count(state) == 2 and report.left_out == {angles: "1 video"}
        assert report.to_json()["left_out"] == report.left_out
        assert conclude(report) == 0
        said = " ".join(capsys.readouterr().err.split())
        assert said.count("not in the result") == 1 and f"warning: {angles}: not in the result: 1 video" in said


def test_status_tells_it(library: Path, tmp_path: Path) -> None:
    assert restore(tmp_path).ok
    state = status(str(tmp_path / "work"))
    assert state["left_out"] == {str(library / "angles.mkv"): "1 video"} and state["damage"] == {}
    shown = Console(width=200, record=True)
    shown.print(picture(state))
    (row,) = (line for line in shown.export_text().splitlines() if "1 video" in line and "angles.mkv" in line)
    assert "plain.mkv" not in row


def test_the_report_tells_it_in_its_table_and_on_the_page(library: Path, tmp_path: Path) -> None:
    assert restore(tmp_path).ok
    angles, plain = (row_of(video, "", {}) for video in read_account(Storage(tmp_path / "work")).videos)
    assert (angles["flags"], angles["reason"]) == (1, "not in the result: 1 video")
    assert (plain["flags"], plain["reason"]) == (0, "")
    build_report(tmp_path / "work", settings=ReportSettings(frames=0, measure=0))
    angles, plain = (path.read_text() for path in sorted((tmp_path / "work/report/videos").glob("*.html")))
    assert "Not in the result: 1 video" in angles and "Not in the result" not in plain
