"""``reelift config``: what each of its commands prints and ends with."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest
import yaml

from jobs.cli import app
from jobs.invocation import run_app
from pipeline.config import load_config

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Run ``reelift config`` with these words."""

    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["reelift", "config", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            run_app(app, "reelift")
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


def test_a_template_is_a_good_configuration(call: Call, tmp_path: Path) -> None:
    code, out, err = call("template", "--preset", "reference")
    (tmp_path / "mine.yaml").write_text(out)
    assert (code, err) == (0, "") and load_config(tmp_path / "mine.yaml").preset == "reference"
    assert call("validate", tmp_path / "mine.yaml") == (0, f"{tmp_path / 'mine.yaml'}: good\n", "")
    _, schema, _ = call("schema")
    jsonschema.validate(yaml.safe_load(out), json.loads(schema))


def test_what_is_in_force_is_shown_with_its_origin(call: Call, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("sample:\n  steps: 9\n")
    code, out, _ = call("show", "-c", tmp_path / "mine.yaml", "--set", "seed=1", "--changed")
    assert code == 0
    assert out == f"seed: 1  # --set seed=1\nsample:\n  steps: 9  # {tmp_path / 'mine.yaml'}, line 2\n"


def test_where_nothing_is_changed_that_is_said(call: Call) -> None:
    assert call("show", "--changed") == (0, "", "every setting has its default\n")


def test_of_a_whole_file_what_was_changed_in_it_is_shown(call: Call, tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text(call("template")[1])
    assert call("show", "-c", mine, "--changed") == (0, "", "every setting has its default\n")
    mine.write_text(mine.read_text().replace("rounding: nearest", "rounding: truncate8"))
    code, out, _ = call("show", "-c", mine, "--changed")
    assert code == 0 and out.startswith("decode:\n  rounding: truncate8  # ") and out.count("\n") == 2, out


def test_a_default_that_goes_over_a_preset_is_shown(call: Call) -> None:
    _, out, _ = call("show", "--preset", "reference", "--set", "decode.rounding=nearest", "--changed")
    assert "rounding: nearest  # --set decode.rounding=nearest\n" in out and "solver: ddpm  # preset" in out


@pytest.mark.parametrize(
    "words", [("template", "--preset", "bold"), ("validate", "nowhere.yaml"), ("show", "--set", "sede=1")]
)
def test_what_is_wrong_is_one_line(call: Call, words: tuple[str, ...]) -> None:
    code, out, err = call(*words)
    assert code == 1 and out == "" and err.startswith("error: ") and err.count("\n") == 1
