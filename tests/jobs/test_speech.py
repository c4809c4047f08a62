"""--quiet, --verbose, --log-format, NO_COLOR, help and completion: what every command has."""

from __future__ import annotations

import errno
import json
import logging
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from whole_jobs import ROOT, environment

from jobs import console
from jobs.cli import app
from jobs.console import Loudness
from jobs.invocation import run_app, run_function
from jobs.restore import restore

COMMANDS = [name for name in (info.name for info in app.registered_commands) if name]


def call(words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    monkeypatch.setattr("sys.argv", ["reelift", *words])
    monkeypatch.setenv("COLUMNS", "120")
    with pytest.raises(SystemExit) as left:
        run_app(app, "reelift")
    said = capsys.readouterr()
    return int(left.value.code or 0), said.out, said.err


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_examples_and_the_common_options(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said, _ = call([name, "--help"], monkeypatch, capsys)
    assert code == 0 and call([name, "-h"], monkeypatch, capsys) == (0, said, "")
    for word in ("Examples:", f"reelift {name}", "--quiet", "--verbose", "--log-format"):
        assert word in said


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_help_names_its_options_in_full_whatever_the_width(
    columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr("sys.argv", ["restore", "-h"])
    with pytest.raises(SystemExit):
        run_function(restore, "restore")
    said = capsys.readouterr().out
    assert "--workspace" in said and "--log-format" in said and "…" not in said.replace("inputs…", "")


WRONG = ["restore", "x.mkv", "-o", "o", "-w", "w", "--set", "sample.step=3"]


@pytest.mark.parametrize("line", [["--log-format", "json", *WRONG], [*WRONG, "--log-format", "json"]])
def test_errors_are_json_if_asked_before_or_after_the_command(
    line: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = call(line, monkeypatch, capsys)
    said = json.loads(err)
    assert code == 1 and out == "" and said["level"] == "error" and "did you mean" in said["message"]


def test_a_line_that_cannot_be_parsed_is_json_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = call(["restore", "--frobnicate", "--log-format=json"], monkeypatch, capsys)
    assert code == 1 and "--frobnicate" in json.loads(err)["message"]


@pytest.mark.parametrize("wanted", [False, True])
def test_a_fault_of_our_own_is_one_line_and_its_traceback_is_for_those_who_want_it(
    wanted: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*given: object) -> None:
        raise RuntimeError("this cannot be,\nbut is, at s3://key:secret@bucket/x")

    monkeypatch.setattr("training.prepare.prepare", fail)
    code, out, err = call(["prepare-data", "clips", *(["--verbose"] if wanted else [])], monkeypatch, capsys)
    assert code == 1 and out == "" and "secret" not in err
    assert "error: RuntimeError: this cannot be, but is, at s3://" in err and "report it" in err
    assert ("Traceback" in err) is wanted and (err.count("\n") == 1) is not wanted


def test_trouble_with_a_disk_is_no_fault_of_our_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*given: object) -> None:
        raise OSError(errno.EIO, "Input/output error", "/tapes/clips")

    monkeypatch.setattr("training.prepare.prepare", fail)
    code, _, err = call(["prepare-data", "clips"], monkeypatch, capsys)
    assert code == 1 and err.count("\n") == 1 and "/tapes/clips" in err and "report it" not in err


def test_the_traceback_of_a_fault_of_our_own_is_in_the_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("training.prepare.prepare", lambda *given: 1 / 0)
    code, _, err = call(["prepare-data", "clips", "--log-format", "json"], monkeypatch, capsys)
    said = json.loads(err)
    assert code == 1 and "ZeroDivisionError" in said["message"] and "1 / 0" in said["traceback"]


def test_quiet_and_verbose_at_once_make_no_sense(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = call([*WRONG, "-q", "-v"], monkeypatch, capsys)
    assert code == 1 and "--quiet and --verbose" in err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["prepare-data", "clips"], "3 clips of 5 frames in clips, 1 of them held out"),
        (["train", "estimate", "--data", "clips", "--model", "mine"], "estimate: finished; weights are in mine"),
    ],
)
def test_what_is_said_of_training_is_for_people_and_may_be_unwanted(
    words: list[str], told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("training.prepare.prepare", lambda *given: {"shards": [{"clips": 3, "held_out": [1, 0]}]})
    monkeypatch.setattr("training.run.train", lambda *given: True)
    code, out, err = call(words, monkeypatch, capsys)
    assert code == 0 and out == "" and told in err
    assert call([*words, "--quiet"], monkeypatch, capsys) == (0, "", "")


@pytest.mark.parametrize(("variable", "coloured"), [("", True), ("NO_COLOR", False)])
def test_colour_is_for_terminals_that_want_it(variable: str, coloured: bool) -> None:
    reader, writer = pty.openpty()
    kept = {name: value for name, value in environment().items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    line = [sys.executable, "-m", "jobs.status", "/nowhere"]
    more = {"TERM": "xterm-256color", **({variable: "1"} if variable else {})}
    done = subprocess.run(line, cwd=ROOT, env={**kept, **more}, stderr=writer, timeout=120, check=False)
    os.close(writer)
    said = os.read(reader, 4096)
    assert done.returncode == 1 and b"no workspace is there" in said
    assert (b"\x1b[31m" in said) is coloured


def test_the_shell_can_complete_commands_options_and_presets(tmp_path: Path) -> None:
    def completed(words: str) -> list[str]:
        asked = {"_REELIFT_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
        line = [sys.executable, "-c", "from jobs.cli import main; main()"]
        env = {**environment(), **asked}
        done = subprocess.run(line, cwd=ROOT, env=env, capture_output=True, text=True, timeout=120, check=False)
        return done.stdout.split()

    assert completed("reelift rest") == ["restore"] and {"retry", "reprocess"} < set(completed("reelift re"))
    assert "--watch" in completed("reelift status --w")
    assert completed("reelift restore --preset e") == ["embedded"]
    assert completed("reelift restore --set sample.solv") == ["sample.solver="]


@pytest.mark.parametrize(
    ("loudness", "heard"),
    [
        (Loudness.quiet, "warning: w\nerror: e\n"),
        (Loudness.normal, "i\nwarning: w\nerror: e\n"),
        (Loudness.verbose, "i\nd\nwarning: w\nerror: e\n"),
    ],
)
def test_how_much_is_said_is_asked_for(loudness: Loudness, heard: str, capsys: pytest.CaptureFixture[str]) -> None:
    console.reset_manner()
    console.set_manner(loudness)
    console.tell("i")
    console.detail("d")
    logging.getLogger("pipeline.x").warning("w")
    assert console.complain("e") == 1
    said = capsys.readouterr()
    console.reset_manner()
    assert said.out == "" and said.err == heard
