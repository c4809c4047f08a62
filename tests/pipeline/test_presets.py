"""Presets: what they promise, and that the manual says what they hold."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import reduce
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.config import load_config
from pipeline.presets import PRESETS

ROOT = Path(__file__).parents[2]
MANUAL = (ROOT / "docs" / "presets.md").read_text()


def value(preset: str, key: str) -> Any:
    tree: Any = load_config(preset=preset).model_dump(mode="json")
    return reduce(lambda node, name: node[name], key.split("."), tree)


def leaves(tree: Any, path: str = "") -> Iterator[str]:
    for key, below in tree.items():
        yield from leaves(below, f"{path}{key}.") if isinstance(below, dict) else [f"{path}{key}"]


def manual_rows() -> dict[str, dict[str, Any]]:
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in MANUAL.splitlines() if line[:1] == "|"]
    head = next(cells for cells in lines if cells[0] == "setting")
    rows = [cells for cells in lines if re.fullmatch(r"`[a-z_.]+`", cells[0]) and len(cells) == len(head)]
    return {
        cells[0].strip("`"): {name: yaml.safe_load(cell) for name, cell in zip(head[1:-1], cells[1:-1], strict=True)}
        for cells in rows
    }


@pytest.mark.parametrize("preset", PRESETS)
def test_the_manual_gives_the_values_that_are_in_force(preset: str) -> None:
    rows = manual_rows()
    assert {key: row[preset] for key, row in rows.items()} == {key: value(preset, key) for key in rows}


def test_every_value_that_a_preset_sets_is_in_the_manual() -> None:
    named = {key for preset in PRESETS.values() for key in leaves(preset.values)}
    assert named - set(manual_rows()) <= {"flow.occlusion_relative", "flow.occlusion_absolute"}


def test_every_test_that_the_manual_names_is_there() -> None:
    tests = "\n".join(path.read_text() for path in (ROOT / "tests" / "stages").rglob("test_*.py"))
    named = re.findall(r"`(test_\w+)`", MANUAL)
    assert len(named) > 8 and [name for name in named if f"def {name}(" not in tests] == []


def test_reference_divides_a_video_into_chunks_without_dividing_a_window() -> None:
    config = load_config(preset="reference")
    assert config.split.chunk_frames % config.decode.window_frames == 0
    assert (config.split.overlap_frames, config.split.detect_cuts) == (0, False)


@pytest.mark.parametrize("preset", ["reference", "balanced", "fast"])
def test_presets_of_the_full_model_ask_for_what_a_converted_folder_holds(preset: str) -> None:
    config = load_config(preset=preset)
    assert config.flow.estimator == "raft" and config.sample.initial_estimate == "bicubic"


@pytest.mark.parametrize("preset", ["embedded", "balanced", "fast"])
def test_no_preset_guides_by_steps_that_enlarge_small_differences(preset: str) -> None:
    guidance = load_config(preset=preset).sample.guidance
    assert guidance.form == "corrected" and 0 < guidance.scale <= guidance.softness / 8
