"""Sound that is kept as samples is told by plan, the run, ``status``, the report and the account."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import odd_clips
import pytest
from cheap_stages import cheap_stages
from rich.console import Console

from jobs.outcome import conclude
from jobs.status import picture
from pipeline.config import load_config
from pipeline.planning.probe import probe
from pipeline.rows import SourceRow
from pipeline.run import run
from pipeline.source_files import look
from pipeline.status import status
from pipeline.storage import Storage
from pipeline.verify import verify
from report.account import read_account
from report.build import build_report
from report.index_page import row_of
from report.settings import ReportSettings
from stages.split.config import SplitConfig

TOLD = "stream 1: pcm_f64be cannot be held by Matroska; kept as pcm_f64le, the same samples"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A film with sound of double precision."""
    odd_clips.write_texture(tmp_path)
    (tmp_path / "library").mkdir()
    odd_clips.ffmpeg(
        f"{odd_clips.TONE} {odd_clips.moving(seconds=0.2)} -t 0.2 -c:v mjpeg -c:a pcm_f64be library/film.mov", tmp_path
    )
    return tmp_path / "library" / "film.mov"


@pytest.mark.parametrize("quick", [False, True])
def test_plan_tells_it(source: Path, quick: bool) -> None:
    row = SourceRow(str(source), source.name, source.stem, *look(str(source)))
    found = probe(row, SplitConfig(), quick)
    assert (found.error, found.trouble) == ("", {"decoded sound": TOLD})


def test_run_status_report_and_account_tell_it(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = load_config(overrides=["assemble.framemd5=true"])
    for state in ("done", "reused"):
        report = run(config, [source.parent], tmp_path / "restored", tmp_path / "work", stages=cheap_stages(config))
        assert (report.count(state), report.damage, report.left_out) == (1, {}, {})
        assert conclude(report) == 0
        assert f"warning: {source}: {TOLD}" in " ".join(capsys.readouterr().err.split())
    assert report.to_json()["decoded_sound"] == {str(source): TOLD}

    shown = Console(width=250, record=True)
    shown.print(picture(status(str(tmp_path / "work"))))
    assert TOLD in shown.export_text()

    (account,) = read_account(Storage(tmp_path / "work")).videos
    assert row_of(account, "", {})["reason"] == TOLD
    build_report(tmp_path / "work", settings=ReportSettings(frames=0, measure=0))
    (page,) = (tmp_path / "work/report/videos").glob("*.html")
    assert f"Sound: {TOLD}" in page.read_text()

    made = json.loads((tmp_path / "restored/film.provenance.json").read_text())
    assert made["result"]["decoded_sound"] == TOLD
    (event,) = (
        each
        for each in ElementTree.parse(tmp_path / "restored/film.premis.xml").iterfind(".//{*}event")
        if each.findtext("{*}eventType") == "normalization"
    )
    assert TOLD in "".join(event.itertext())
    assert [each.differences for each in verify(tmp_path / "work")] == [()]
