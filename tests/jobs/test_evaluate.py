from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from jobs.cli import app

SAMPLES = Path(__file__).parents[2] / "samples"
CITY, ORIGINAL = SAMPLES / "city.mkv", SAMPLES / "city_original.mkv"


def call(*words: object, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["evaluate", *map(str, words)], standalone_mode=False)
    assert result.exception is None and result.return_value == code, result.output
    return result.stdout if code == 0 else result.output


def test_json_and_table_of_the_sample_clip(tmp_path: Path) -> None:
    words = ["--reference", ORIGINAL, "--restored", ORIGINAL, "--lr", CITY, "--frames", 3, "--flow", "dis"]
    for measure in ("psnr", "consistency", "warping", "niqe"):
        words += ["--measure", measure]
    numbers = json.loads(call(*words, "--chunk", 2, "--chunk-overlap", 0, "--json"))
    assert numbers["psnr_y"] == "Infinity"
    assert numbers["consistency"] > 45  # city.mkv was made from the same frames
    assert 2 < numbers["restored"]["niqe"] < 6
    assert numbers["seams"]["chunk"] == pytest.approx(1)
    assert numbers["ssim_y"] is None
    table = call(*words, "--profile", tmp_path / "profile.png")
    assert "PSNR-Y" in table and "inf" in table and "Borders:" in table
    assert (tmp_path / "profile.png").is_file()


def test_wrong_calls_end_in_one_line() -> None:
    both = ["--reference", ORIGINAL, "--restored", ORIGINAL]
    for words, said in (
        (["--reference", ORIGINAL, "--restored", CITY], "city.mkv is 180x100"),
        (["--reference", "absent.mkv", "--restored", CITY], "absent.mkv"),
        ([*both, "--measure", "beauty"], "measures"),
        ([*both, "--flow", "guess"], "flow"),
        ([*both, "--chunk", 4, "--chunk-overlap", 2], "overlap"),
        ([*both, "--workspace", SAMPLES], "no workspace"),
        ([*both, "--flow", "raft", "--frames", 2], "RAFT"),
        ([*both, "--device", "nonsense", "--frames", 2], "nonsense"),
    ):
        output = call(*words, code=1)
        assert "error:" in output and said in output, output
        assert len(output.strip().splitlines()) == 1, output
