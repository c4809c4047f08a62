"""Ctrl-C and SIGTERM through the command line: once finishes what is in flight, twice stops at once."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from whole_jobs import Line, committed, made_twice, status, write_clip

from jobs.console import LogFormat, reset_manner, set_manner
from jobs.interrupt import going_on, patient, tell_how_to_go_on, this_line
from jobs.invocation import run_function
from pipeline.stopping import Stop


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_asks_and_the_second_ends(number: signal.Signals) -> None:
    stop, before = Stop(), signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt), patient(stop):
        signal.raise_signal(number)
        assert stop
        signal.raise_signal(number)
    assert signal.getsignal(number) is before


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["/usr/bin/reelift", "restore", "a b.mkv"], "reelift restore 'a b.mkv'"),
        (["/home/me/jobs/restore.py", "x.mkv"], "python -m jobs.restore x.mkv"),
    ],
)
def test_the_line_that_goes_on_can_be_pasted(monkeypatch: pytest.MonkeyPatch, words: list[str], line: str) -> None:
    monkeypatch.setattr(sys, "argv", words)
    assert this_line() == line


def test_passwords_in_urls_are_not_printed_and_the_line_says_that_they_are_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["sftp://user:secret@host/tapes", "--output=s3://key:secret@bucket/out", "https://host/a.mov?token=secret"]
    monkeypatch.setattr(sys, "argv", ["/usr/bin/reelift", "restore", *words, "-w", "run1"])
    tell_how_to_go_on()
    said = capsys.readouterr().err
    assert "secret" not in said and "user:" not in said
    assert "  reelift restore sftp://host/tapes --output=s3://bucket/out https://host/a.mov -w run1\n" in said
    assert "put back what is left out of its URLs: users, passwords, parameters" in said
    set_manner(log_format=LogFormat.json)
    try:
        tell_how_to_go_on()
    finally:
        reset_manner()
    assert "secret" not in capsys.readouterr().err


def interrupted() -> int:
    """Nothing that goes on."""
    raise KeyboardInterrupt


@going_on()
def interrupted_and_going_on() -> int:
    """Something that goes on."""
    raise KeyboardInterrupt


@pytest.mark.parametrize(("command", "told"), [(interrupted, ""), (interrupted_and_going_on, "goes on from here")])
def test_only_what_goes_on_says_so(
    command: Callable[[], int], told: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["command"])
    with pytest.raises(SystemExit) as ended:
        run_function(command, "command")
    said = capsys.readouterr().err
    assert ended.value.code == 130 and told in said and bool(told) == bool(said)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "executor"), [(signal.SIGINT, "local"), (signal.SIGTERM, "ray")])
def test_a_run_stops_cleanly_and_goes_on(tmp_path: Path, model: Path, number: signal.Signals, executor: str) -> None:
    write_clip(tmp_path / "library" / "a.mkv", frames=60)
    line = Line([tmp_path / "library"], tmp_path / "out", tmp_path / "work", model, executor)
    process = line.start_until(4, tmp_path / "log")
    process.send_signal(number)
    assert process.wait(120) == 130
    said = (tmp_path / "log").read_text()
    assert "Stopping: what is in flight is being finished." in said and "1 video: 0 restored, 1 left" in said
    assert said.splitlines()[-2] == "Stopped. The same command line goes on from here:" and "Traceback" not in said
    state = status(tmp_path / "work")
    assert not state["running"] and sum(count["done"] for count in state["stages"].values()) <= len(
        committed(line.workspace)
    )
    again = replace(line, executor="local").run()
    assert again.returncode == 0 and made_twice(tmp_path / "work") == []


@pytest.mark.slow
def test_twice_stops_at_once(tmp_path: Path, model: Path) -> None:
    write_clip(tmp_path / "library" / "a.mkv", frames=60)
    line = Line([tmp_path / "library"], tmp_path / "out", tmp_path / "work", model)
    process = line.start_until(4, tmp_path / "log")
    process.send_signal(signal.SIGINT)
    while "Stopping" not in (tmp_path / "log").read_text() and process.poll() is None:
        time.sleep(0.001)
    process.send_signal(signal.SIGINT)
    assert process.wait(120) == 130
    assert "Stopped. The same command line goes on from here:" in (tmp_path / "log").read_text()
    assert "Traceback" not in (tmp_path / "log").read_text()
