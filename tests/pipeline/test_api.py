"""The Python API, and the programs that docs/python.md shows."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from whole_jobs import ROOT, write_clip

from pipeline import MotionGuidedUpscalePipeline, restore
from pipeline.config import ConfigError

LEAN: dict[str, Any] = {
    "scale": 2,
    "flow": {"estimator": "dis"},
    "sample": {"initial_estimate": "bicubic", "steps": 1},
    "split": {"chunk_frames": 6, "overlap_frames": 2},
    "runtime": {"threads": 1},
}


def moving(frames: int = 9) -> np.ndarray:
    """A texture that moves: [n, 24, 32, 3] in [0, 1]."""
    texture = np.random.default_rng(3).random((24, 32 + frames, 3), np.float32)
    texture = (texture + np.roll(texture, 1, 0) + np.roll(texture, 1, 1)) / 3
    return np.stack([texture[:, shift : shift + 32] for shift in range(frames)])


def test_frames_go_through_the_whole_pipeline() -> None:
    upscale = MotionGuidedUpscalePipeline.from_pretrained(settings=LEAN)
    given = moving()
    restored = upscale(given)
    assert restored.shape == (9, 48, 64, 3) and restored.dtype == np.float32
    assert restored.min() >= 0 and restored.max() <= 1
    small = restored.reshape(9, 24, 2, 32, 2, 3).mean((2, 4))
    assert np.abs(small - given).mean() < 0.05  # the same picture, each frame in its place
    assert np.abs(small[1:] - given[:-1]).mean() > 2 * np.abs(small - given).mean()
    np.testing.assert_array_equal(upscale(given), restored)


def test_bytes_mean_the_same_as_fractions() -> None:
    upscale = MotionGuidedUpscalePipeline.from_pretrained(settings=LEAN)
    given = (moving(2) * 255).round().astype(np.uint8)
    np.testing.assert_array_equal(upscale(given), upscale(given / 255))


def test_frames_come_back_whatever_is_wished_for_beside_a_published_file() -> None:
    wishes = {"framemd5": True, "derivatives": [{"kind": "png"}], "bag": True}
    upscale = MotionGuidedUpscalePipeline.from_pretrained(settings={**LEAN, "assemble": wishes})
    given = moving(2)
    plain = MotionGuidedUpscalePipeline.from_pretrained(settings=LEAN)
    np.testing.assert_array_equal(upscale(given), plain(given))


@pytest.mark.parametrize(
    ("frames", "complaint"),
    [
        (np.zeros((24, 32, 3)), r"\[n, h, w, 3\] with n, h, w > 0, not of shape \[24, 32, 3\]"),
        (np.zeros((0, 24, 32, 3)), "not of shape"),
        (np.zeros((1, 24, 32, 3), np.int64), "not int64"),
        (np.full((1, 24, 32, 3), 1.5), r"in \[0, 1\]"),
        (np.full((1, 24, 32, 3), np.nan), r"in \[0, 1\]"),
    ],
)
def test_what_is_no_clip_is_said_in_one_line(frames: np.ndarray, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint) as found:
        MotionGuidedUpscalePipeline.from_pretrained()(frames)
    assert "\n" not in str(found.value)


@pytest.mark.parametrize("rate", [0, -5, float("nan"), float("inf"), 1001, "25", None])
def test_what_is_no_rate_is_said_in_one_line(rate: Any) -> None:
    with pytest.raises(ValueError, match=rf"^rate must be frames per second, above 0 and at most 1000, not {rate!r}$"):
        MotionGuidedUpscalePipeline.from_pretrained()(moving(1), rate=rate)


@pytest.mark.parametrize(
    "rate", [29.97, 30000 / 1001, np.float32(23.976), np.int64(50), Fraction(30000, 1001), 0.5, 1000]
)
def test_rates_are_taken_as_they_come(rate: Any) -> None:
    restored = MotionGuidedUpscalePipeline.from_pretrained(settings=LEAN)(moving(2), rate=rate)
    assert restored.shape == (2, 48, 64, 3)


def test_a_folder_is_restored_once(tmp_path: Path) -> None:
    write_clip(tmp_path / "tapes" / "one.mkv", frames=3)
    (tmp_path / "tapes" / "two.mp4").write_text("text")
    places = {"output": tmp_path / "restored", "workspace": tmp_path / "run"}
    report = restore(tmp_path / "tapes", **places, settings=LEAN)
    assert sorted(report.videos.values()) == ["done", "failed"]
    assert (tmp_path / "restored" / "one.mkv").exists() and "two.mp4" in report.failures[0].source
    again = restore([tmp_path / "tapes" / "one.mkv"], **places, settings=LEAN)
    assert again.ok and again.computed() == 0


def test_wrong_settings_and_executors_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"sample\.step"):
        restore(tmp_path, output=tmp_path / "o", workspace=tmp_path / "w", settings={"sample": {"step": 1}})
    with pytest.raises(ValueError, match="executor 'rai' is not known"):
        restore(tmp_path, output=tmp_path / "o", workspace=tmp_path / "w", executor="rai")  # type: ignore[arg-type]


def test_type_checkers_of_others_believe_its_types() -> None:
    data = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    for package in ("pipeline", "stages"):  # what the API returns and raises
        assert (ROOT / package / "py.typed").is_file() and "py.typed" in data[package]


@pytest.mark.slow
def test_the_programs_of_the_manual_run(tmp_path: Path) -> None:
    programs = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "python.md").read_text(), re.S)
    assert len(programs) == 2
    write_clip(tmp_path / "tapes" / "one.mkv", frames=3)
    path = {"PYTHONPATH": str(ROOT)}
    for program in (programs[0], programs[1] + "print(restored.shape, restored.dtype)"):
        done = subprocess.run(
            [sys.executable, "-c", program], cwd=tmp_path, env=path, capture_output=True, text=True, check=True
        )
    assert done.stdout == "(6, 96, 128, 3) float32\n"
    assert (tmp_path / "restored" / "one.mkv").exists()
