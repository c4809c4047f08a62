from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import estimate


def test_all_ways_are_timed_and_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "rows.json"
    assert estimate.main(["--width", "16", "--height", "16", "--frames", "2", "--json", str(file)]) == 0
    found = json.loads(file.read_text())
    assert list(found["rows"]) == ["direct", "fewer", "bfloat16"]
    errors = found["relative_errors"]
    assert errors["direct"] == 0 and errors["fewer"] < 1e-4 < errors["bfloat16"] < 3e-2
    for row in found["rows"].values():
        assert row["processor_seconds"] > 0 and sum(row["shares"].values()) == pytest.approx(1)
        assert row["shares"]["convolutions"] > 0.3
    assert "pass" in capsys.readouterr().out
