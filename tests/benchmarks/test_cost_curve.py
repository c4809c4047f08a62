from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import cost_curve


def test_both_curves_are_told_per_frame_and_tile(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "curve.json"
    arguments = f"--device cpu --tile 8 --steps 1 --frames 5 10 --tiles 1 2 --rounds 1 --json {file}".split()
    assert cost_curve.main(arguments) == 0
    curves = json.loads(file.read_text())["curves"]
    assert [(row["frames"], row["tiles"]) for row in curves["frames"]] == [(5, 1), (10, 1)]
    assert [(row["frames"], row["tiles"]) for row in curves["tiles"]] == [(5, 1), (5, 2)]
    assert all(row["seconds"] > 0 and row["to_median"] > 0 for curve in curves.values() for row in curve)
    assert "s per frame and tile" in capsys.readouterr().out
