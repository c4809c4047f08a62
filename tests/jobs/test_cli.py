"""The ``reelift`` command itself."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from whole_jobs import ROOT, environment

from jobs.cli import app
from jobs.invocation import run_app
from pipeline.presets import PRESETS


def call(words: list[str], monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr("sys.argv", ["reelift", *words])
    with pytest.raises(SystemExit) as left:
        run_app(app, "reelift")
    return int(left.value.code or 0)


def test_it_tells_its_version(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["--version"], monkeypatch) == 0
    assert re.fullmatch(r"reelift \d+\.\d+\.\d+\n", capsys.readouterr().out)


def test_help_names_every_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["--help"], monkeypatch) == 0
    said = capsys.readouterr().out
    for name in ("demo", "restore", "status", "verify", "evaluate", "config", "train", "convert-checkpoint"):
        assert name in said


def test_the_help_of_restore_names_every_preset_and_where_settings_are_listed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(["restore", "--help"], monkeypatch) == 0
    said = capsys.readouterr().out
    for name in PRESETS:
        assert name in said
    assert "config template" in said


@pytest.mark.parametrize("command", ["retry", "verify"])
def test_help_is_plain_text(command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert call([command, "--help"], monkeypatch) == 0
    assert "`" not in capsys.readouterr().out


def test_an_unknown_command_is_a_wrong_call(monkeypatch: pytest.MonkeyPatch) -> None:
    assert call(["restroe"], monkeypatch) == 1


def test_letters_that_a_terminal_lacks_end_no_command(tmp_path: Path) -> None:
    (tmp_path / "B\u00e4nder.yaml").write_text("preset: embedded\n")
    ascii_only = {**environment(), "LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONCOERCECLOCALE": "0"}
    line = [sys.executable, "-m", "jobs.cli", "config", "validate", str(tmp_path / "B\u00e4nder.yaml")]
    done = subprocess.run(line, cwd=ROOT, env=ascii_only, capture_output=True, check=False)
    assert done.returncode == 0 and done.stdout.endswith(b"B\\xe4nder.yaml: good\n"), done.stderr
