"""The dial from conservative to generative."""

from __future__ import annotations

import json
from pathlib import Path

import odd_clips
import pytest

from pipeline.artifacts import Artifact
from pipeline.config import ConfigError, load_config
from pipeline.provenance import ShotFigures
from pipeline.run import run
from stages.items import Chunk

SAMPLE = Path(__file__).parents[2] / "samples" / "city.mkv"


def test_the_dial_turns_every_setting_the_same_way() -> None:
    configs = [load_config(overrides=[f"fidelity={dial}"]) for dial in (0, 0.25, 0.5, 0.75, 1)]
    starts = [config.sample.start for config in configs]
    assert starts == sorted(starts) and starts[0] == 0.1 and starts[-1] == 1
    for falling in (
        [config.decode.back_projection for config in configs],
        [config.sample.guidance.scale for config in configs],
    ):
        assert falling == sorted(falling, reverse=True) and falling[0] > falling[-1]
    assert [config.decode.fusion_weight for config in configs] == [1, 1.1, 1.2, 1.3, 1.4]
    full = [load_config(overrides=[f"fidelity={dial}"], preset="balanced") for dial in (0, 0.5, 0.75, 1)]
    assert [config.decode.fusion_weight for config in full] == [1, 1, 0.75, 0.5]


@pytest.mark.slow
def test_with_the_shipped_networks_more_of_the_dial_is_sharper_and_farther_from_the_source(tmp_path: Path) -> None:
    clip = tmp_path / "crop.mkv"
    odd_clips.ffmpeg(f"-i {SAMPLE} -an -vf crop=48:32:120:80 -frames:v 2 -c:v ffv1 {clip.name}", tmp_path)
    found = []
    for dial in (0, 0.5, 1):
        config = load_config(overrides=[f"fidelity={dial}", "runtime.threads=1", "split.detect_cuts=false"])
        place = tmp_path / f"{dial}"
        assert run(config, [clip], place / "restored", place / "work").ok
        (shot,) = json.loads((place / "restored" / "crop.provenance.json").read_text())["shots"]
        found.append(shot)
    sharp, near = ([shot[name] for shot in found] for name in ("sharpness_gain", "downscale_db"))
    assert sharp[0] + 0.05 < sharp[1] < sharp[2] - 0.05, sharp
    assert near[0] > near[1] + 5 > near[2] + 10, near


def test_what_is_set_by_hand_goes_over_the_dial_and_the_dial_over_the_preset() -> None:
    config = load_config({"fidelity": 0.0}, ["sample.start=0.4"], "balanced")
    assert (config.sample.start, config.decode.back_projection, config.sample.steps) == (0.4, 1.0, 15)
    assert load_config(preset="conservative").decode.back_projection == 1
    assert load_config(overrides=["fidelity=1"], preset="conservative").decode.back_projection == 0
    assert load_config().decode.back_projection == 0


@pytest.mark.parametrize(("key", "value"), [("fidelity", "0.5"), ("height", "1080")])
def test_the_published_way_has_no_dial(key: str, value: str) -> None:
    with pytest.raises(ConfigError, match="need canvas=exact"):
        load_config(overrides=[f"{key}={value}"], preset="reference")


def test_a_dial_out_of_range_is_said_in_one_line() -> None:
    with pytest.raises(ConfigError, match=r"fidelity is 1\.5; allowed: less than or equal to 1"):
        load_config(overrides=["fidelity=1.5"])


def test_figures_are_gathered_by_shot() -> None:
    chunks = [Chunk("v", 0, 0, 0, 8, 0, 2), Chunk("v", 1, 0, 6, 10, 2, 0), Chunk("v", 2, 1, 10, 14)]

    def made(decibels: float, cell: str, flagged: bool) -> dict[str, Artifact]:
        facts = {"downscale_db": decibels, "downscale_db_worst": decibels - 1, "ciede2000": 1.0, "sharpness_gain": 2.0}
        maps = {"residual": f"0.1 {cell}; 0.0 0.0", "beyond_source": "0.0 0.0; 0.0 0.0", "flagged": flagged}
        return {"decode": Artifact("decode", "f", (), {**facts, **maps})}

    figures = ShotFigures(0), ShotFigures(1)
    for chunk, found in zip(
        chunks, (made(40, "3.0", False), made(31, "6.5", True), made(50, "0.0", False)), strict=True
    ):
        figures[chunk.shot].add(chunk, found)
    first, second = (each.told() for each in figures)
    assert (first["shot"], first["first_frame"], first["end_frame"]) == (0, 0, 10)
    assert first["downscale_db"] == 37 and first["downscale_db_worst"] == 30 and first["flagged"]
    assert first["residual_percent"] == [[0.1, 6.5], [0.0, 0.0]]
    assert (second["shot"], second["flagged"]) == (1, False)
