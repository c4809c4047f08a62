"""The ``reelift`` command itself."""

from __future__ import annotations

import re

import pytest

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
