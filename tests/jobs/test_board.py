"""What a run looks like to people: the live view, lines in a log, and ``status``."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import time
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from whole_jobs import ROOT, environment

from benchmarks.simulated_stages import Simulation
from jobs import board
from jobs.outcome import conclude
from jobs.progress import RunProgress
from jobs.status import picture
from pipeline.config import RunConfig
from pipeline.run import run
from pipeline.standing import StageStanding, Step
from pipeline.status import status as read_status
from pipeline.verify import verify


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, ""), (3.4, "3 s"), (70, "1 min 10 s"), (7500, "2 h 05 min"), (276480, "3 d 04 h")],
)
def test_times_read_well(seconds: float | None, text: str) -> None:
    assert board.duration(seconds) == text


@pytest.mark.parametrize(("rate", "text"), [(None, ""), (2.5, "2.5/s"), (0.5, "30/min"), (0.002, "7.2/h")])
def test_paces_read_well(rate: float | None, text: str) -> None:
    assert board.pace(rate) == text


def test_an_estimated_total_is_marked_as_one() -> None:
    assert board.counted(StageStanding("sample", 3, 8, 0, None)) == "3/8+"
    assert board.counted(StageStanding("sample", 3, 8, 0, 20)) == "3/~20"
    assert board.counted(StageStanding("sample", 3, 8, 0, 8)) == "3/8"
    assert board.counted(StageStanding("sample", 0, 0, 0, None)) == "0/?"
    assert board.counted(StageStanding("split", 1, 4)) == "1/4"


def test_a_stage_that_is_through_has_no_time_left() -> None:
    screen = StringIO()
    through = StageStanding("flow", 8, 8, 0, 8, 2.0)
    Console(file=screen, width=100).print(board.board([through]))
    assert "8/8 chunks" in screen.getvalue() and " s" not in screen.getvalue().splitlines()[1]


@pytest.mark.parametrize("width", [40, 63, 64, 80])
def test_a_narrow_terminal_shows_every_stage_and_number(width: int) -> None:
    screen = StringIO()
    stages = [
        StageStanding(name, 1200, 9000, 12, 19000, 0.4) for name in ("split", "flow", "sample", "decode", "assemble")
    ]
    Console(file=screen, width=width).print(board.board(stages))
    lines = screen.getvalue().splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["split", "flow", "sample", "decode", "assemble"]
    assert all("12" in line and ("1200/9000" in line or "1200/~19000" in line) and " h " in line for line in lines[1:])
    assert "…" not in screen.getvalue() and max(map(len, lines)) <= width


def test_a_narrow_terminal_shows_why_a_video_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tape.mkv").write_text("none")
    report = run(RunConfig(), [tmp_path / "tape.mkv"], tmp_path / "o", tmp_path / "w", stages=Simulation().factories())
    screen = StringIO()
    monkeypatch.chdir(tmp_path)
    Console(file=screen, width=40).print(picture(read_status(tmp_path / "w")), markup=False)
    monkeypatch.setattr("jobs.console._console", Console(file=screen, width=40))
    conclude(report)
    told = " ".join(screen.getvalue().split())
    assert told.count("failed tape.mkv, split, 1 attempt: ") == 2


def test_one_video_is_one_video() -> None:
    assert board.summary([StageStanding("assemble", 0, 1)]) == "0 of 1 video finished"
    assert board.summary([StageStanding("assemble", 2, 3, 1)]) == "1 of 3 videos finished, 1 failed"


def test_a_stage_that_is_through_keeps_the_pace_it_had(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter((0.0, 10.0, 20.0, 620.0))
    progress = RunProgress(Console(file=StringIO()), every=1e9)
    monkeypatch.setattr("jobs.progress.time.monotonic", lambda: next(clock))
    for made in (1, 2, 3):
        progress(Step("flow", made, 3, 0, made, 3))
    assert {each.stage: each.rate for each in progress.standings()}["flow"] == pytest.approx(0.1)


def steps() -> Iterator[Step]:
    yield Step("split", 0, 2)
    yield Step("assemble", 0, 2, expected=2)
    for chunk in range(3):
        for stage in ("flow", "sample", "decode"):
            yield Step(stage, chunk + 1, 4, int(stage == "sample"), chunk + 1, 4, "abc", chunk)
    yield Step("assemble", 1, 2, 0, 1, 2, "a.mkv")


def test_a_terminal_has_one_live_view() -> None:
    screen = StringIO()
    console = Console(file=screen, force_terminal=True, width=100, color_system=None)
    with RunProgress(console) as progress:
        for step in steps():
            progress(step)
            time.sleep(0.001)
    shown = screen.getvalue()
    for word in ("sample", "3/4 chunks", "1/2 videos", "1 of 2 videos finished", "failed", "/s"):
        assert word in shown
    assert shown.count("decode") > 0 and "\x1b[" in shown  # drawn over itself


def test_a_log_has_a_line_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    with RunProgress(every=0.0) as progress:
        for step in steps():
            progress(step)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 13
    assert lines[-1].startswith("split 0/2  flow 3/4") and "sample 3/4 (1 failed)" in lines[-1]


def test_a_log_is_not_silent_while_a_long_chunk_is_worked_on(capsys: pytest.CaptureFixture[str]) -> None:
    with RunProgress(every=100.0, silence=0.05) as progress:
        progress(Step("split", 0, 2))
        time.sleep(0.5)
        lines = capsys.readouterr().err.splitlines()
    assert len(lines) >= 2 and lines[-1].startswith("split 0/2  flow 0/")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    (folder / "library").mkdir()
    for name, frames in (("a", 25), ("b", 15)):
        (folder / "library" / f"{name}.mp4").write_text(f"{frames} {name}")
    stages = Simulation(faults={("decode", 2): "item"}).factories()
    run(RunConfig(), [folder / "library"], folder / "out", folder / "work", stages=stages)
    return folder / "work"


def told(workspace: Path, *words: str) -> str:
    line = [sys.executable, "-m", "jobs.status", str(workspace), *words]
    done = subprocess.run(line, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_status_shows_the_board_and_what_failed(workspace: Path) -> None:
    said = told(workspace)
    assert said.startswith("2 videos: 1 restored, 1 failed, 0 left\n")
    for words in ("5/5 chunks", "2/2 videos", "worked: split", "chunk 2 of"):
        assert words in said


def test_watching_a_run_that_has_ended_looks_once(workspace: Path) -> None:
    said = told(workspace, "--watch")
    assert said.count("\n") == 1 and "flow 5/5 " in said
    (line,) = told(workspace, "--watch", "--json").splitlines()
    assert json.loads(line)["running"] is False


def test_verify_tells_of_what_was_never_published(workspace: Path) -> None:
    assert verify(workspace).unpublished == 1


def test_watching_a_run_that_goes_on_looks_until_it_ends(workspace: Path, tmp_path: Path) -> None:
    claims = workspace / "manifest" / "epochs"
    (claims / "000001.closed").rename(tmp_path / "closed")
    claim = json.loads((claims / "000001.json").read_text())
    (claims / "000001.json").write_text(json.dumps({**claim, "host": "elsewhere"}))
    (claims / "000001.alive").write_text(json.dumps({"time": time.time()}))
    reader, writer = pty.openpty()
    line = [sys.executable, "-m", "jobs.status", str(workspace), "--watch", "--every", "0.2"]
    watching = subprocess.Popen(line, cwd=ROOT, env={**environment(), "TERM": "xterm"}, stdout=writer, stderr=writer)
    os.close(writer)
    shown = b""
    while b"running, last news" not in shown:
        shown += os.read(reader, 4096)
    (tmp_path / "closed").rename(claims / "000001.closed")
    try:
        while block := os.read(reader, 4096):
            shown += block
    except OSError:  # the other end is closed
        pass
    assert watching.wait(60) == 0
    assert shown.rfind(b"2 videos: 1 restored, 1 failed, 0 left") > shown.find(b"running, last news")
