from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from jobs.cli import app
from jobs.console import reset_manner
from jobs.evaluate import borders_of_run
from pipeline.config import load_config
from pipeline.epoch import Epoch
from pipeline.manifest import ManifestWriter
from pipeline.run import resolve
from pipeline.schemas import ChunkRecord, VideoRecord
from pipeline.workspace import Workspace

SAMPLES = Path(__file__).parents[2] / "samples"
CITY, ORIGINAL = SAMPLES / "city.mkv", SAMPLES / "city_original.mkv"


def call(*words: object, code: int = 0) -> str:
    reset_manner()
    result = CliRunner().invoke(app, ["evaluate", *map(str, words)], standalone_mode=False)
    assert result.exception is None and result.return_value == code, result.output
    return result.stdout if "--json" in words else result.stderr


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
    assert call(*words, "--quiet") == ""
    table = call(*words, "--profile", tmp_path / "profile.png")
    assert "PSNR-Y" in table and "inf" in table and "Borders:" in table
    assert (tmp_path / "profile.png").is_file()


def test_wrong_calls_end_in_one_line() -> None:
    both = ["--reference", ORIGINAL, "--restored", ORIGINAL]
    for words, said in (
        (["--reference", ORIGINAL, "--restored", CITY], "city.mkv is 180x100"),
        (["--reference", "absent.mkv", "--restored", CITY], "absent.mkv"),
        ([*both, "--measure", "psnr", "--measure", "beauty"], "--measure beauty: input should be 'psnr', 'ssim', "),
        ([*both, "--flow", "guess"], "--flow guess: input should be 'spynet', 'raft' or 'dis'"),
        ([*both, "--chunk", 4, "--chunk-overlap", 2], "overlap"),
        ([*both, "--workspace", SAMPLES], "no workspace"),
        ([*both, "--flow", "raft", "--frames", 2], "RAFT"),
        ([*both, "--device", "nonsense", "--frames", 2], "nonsense"),
        (
            [*both, "--profile", "/nonexist/x.png"],
            "/nonexist/x.png: there is no folder /nonexist; make it, or",
        ),
        ([*both, "--profile", SAMPLES], f"{SAMPLES}: a folder; name a file for the temporal profile"),
        (
            [*both, "--measure", "psnr", "--frames", 1, "--profile", "/proc/x.png"],
            "/proc/x.png: cannot be written (",
        ),
    ):
        output = call(*words, code=1)
        assert "error:" in output and said in output, output
        assert len(output.strip().splitlines()) == 1, output


def test_borders_are_those_of_the_run(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "run")
    config = load_config(overrides=["decode.window_frames=6", "decode.window_overlap=0"])
    workspace.open(resolve(config, [], "out"))
    epoch = Epoch.claim(workspace.storage)
    writer = ManifestWriter(workspace.storage, epoch)
    identity = "0123456789abcdef"
    # The first plan was made with other settings and replaced.
    chunks = [("old", 0, 0, 20), ("new", 0, 0, 12), ("new", 1, 10, 20)]
    writer.append([VideoRecord("in/city.mkv", "tapes/city", identity), VideoRecord("in/b.mkv", "tapes/b", "1" * 16)])
    writer.append(
        [ChunkRecord(identity, plan, "f", chunk, 0, start, stop, 0, 0) for plan, chunk, start, stop in chunks]
    )
    writer.append([ChunkRecord("1" * 16, "other", "f", 0, 0, 0, 3, 0, 0)])
    writer.close()
    epoch.close()
    found = borders_of_run(str(tmp_path / "run"), Path("elsewhere/city.mkv"))
    borders = found.find(20)
    assert borders.chunk.nonzero()[0].tolist() == [9, 10, 11]
    # Windows begin at 0, 5, 7 and 10, 15 for the denoiser, which sees 5 frames, and at 0, 6 and 10, 14 for the decoder.
    assert borders.window.nonzero()[0].tolist() == [4, 5, 6, 7, 8, 13, 14, 15]
    assert "2 chunks" in found.told
    with pytest.raises(ValueError, match="no video became absent"):
        borders_of_run(str(tmp_path / "run"), Path("absent.mkv"))
