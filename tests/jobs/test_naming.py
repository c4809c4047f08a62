"""What tables for people call a video: the path from here, and its name once."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest
from rich.console import Console

from jobs.naming import here, unnamed
from jobs.outcome import conclude
from jobs.plan import Plan, show_plan
from jobs.status import picture
from pipeline.fingerprint import STAGES
from pipeline.planning.probe import Probe
from pipeline.report import RunReport
from pipeline.standing import StageStanding
from pipeline.tally import Failure

EMPTY = "the file is empty; fetch it again from its origin"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder of a narrow terminal."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("jobs.console._console", Console(stderr=True, width=80))
    return tmp_path


def test_paths_below_the_working_folder_are_told_from_there(folder: Path) -> None:
    inside, outside = folder / "tapes" / "a b.mkv", folder.parent / "b.mkv"
    assert here(str(inside)) == "tapes/a b.mkv" and here(str(outside)) == str(outside)
    assert (
        here(f"the same content as {inside}, {inside}; once")
        == "the same content as tapes/a b.mkv, tapes/a b.mkv; once"
    )
    assert here(f"/mirror{inside}") == f"/mirror{inside}" and here("s3://bucket/a.mkv") == "s3://bucket/a.mkv"


def test_at_the_root_paths_stay_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    assert here("/tapes/a.mkv") == "/tapes/a.mkv"


@pytest.mark.parametrize("name", ["/library/a.mkv", "a.mkv"])
def test_a_reason_does_not_begin_with_the_name_beside_it(name: str) -> None:
    assert unnamed(f"{name}: {EMPTY}", "/library/a.mkv") == EMPTY
    assert unnamed("ValueError: no", "/library/a.mkv") == "ValueError: no"


def test_a_plan_a_run_and_its_status_say_a_name_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = str(folder / "tapes" / "a.mkv")
    message = f"a.mkv: {EMPTY}"
    failure = Failure("split", source, "", -1, 1, "failed", "ItemError", message)
    show_plan(Plan([Probe(source, "a", 0, message, trouble={"unreadable": message})], None, "", "", {}))
    conclude(RunReport("w", "o", 1, 1.0, {source: "failed"}, {}, [failure]))
    tables = capsys.readouterr().err
    state = {
        "running": False,
        "stages": {
            stage: {"standing": asdict(StageStanding(stage, 1, 1, 0)), "seconds": 0.0, "events": {}} for stage in STAGES
        },
        "videos": {"total": 1, "done": 0, "failed": 1, "left": 0},
        "failures": [{"source": source, "video": "", "chunk": -1, "stage": "split", "attempts": 1, "message": message}],
        "damage": {},
        "left_out": {},
        "decoded_sound": {},
    }
    shown = Console(width=80, record=True)
    shown.print(picture(state))
    for text in (tables, shown.export_text()):
        assert "tapes/a.mkv" in text and str(folder) not in text and "a.mkv: the" not in text, text
    assert tables.count(EMPTY[:17]) == 2


def test_a_working_folder_that_is_gone_shortens_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert here(f"{tmp_path}/gone/tape.mkv: broken") == f"{tmp_path}/gone/tape.mkv: broken"
