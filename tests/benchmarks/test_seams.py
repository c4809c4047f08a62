from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import seams
from evaluation.clip import Clip
from evaluation.consistency import consistency


def test_crops_of_input_and_original_show_the_same(tmp_path: Path) -> None:
    low = seams.crop(seams.SAMPLES / "city.mkv", tmp_path / "low.mkv", 1, (50, 34))
    high = seams.crop(seams.SAMPLES / "city_original.mkv", tmp_path / "high.mkv", 1, (50, 34), seams.SCALE)
    small, large = (next(Clip.open(path).frames()) for path in (low, high))
    assert small.shape == (34, 50, 3) and large.shape == (136, 200, 3)
    # 45 dB as measured; a crop of the original that is one pixel off has 25.6 dB.
    assert consistency(large, small) > 35


@pytest.mark.parametrize("way", seams.WAYS)
def test_ways_differ_in_what_they_do_about_time_alone(way: str) -> None:
    options = seams.parse(["--chunk", "15", "--steps", "2", "--start", "0.5"])
    config, ours = seams.configuration(options, way), seams.configuration(options, "ours")
    assert config.split.chunk_frames == 15 and config.sample.steps == 2
    assert config.split.overlap_frames == (0 if way.startswith("published") else 6)
    for same in ("steps", "start", "solver", "initial_estimate"):
        assert getattr(config.sample, same) == getattr(ours.sample, same)
