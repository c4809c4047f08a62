from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from benchmarks import tiles
from stages.media.frames import FrameWriter, rgb_format


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, []),
        ({"tile": 16}, [16, 32]),
        ({"tile": 16, "tile_overlap": 8}, [8, 16, 24, 32, 40]),
        ({"tile": 16, "tile_shift": 8}, [8, 16, 24, 32, 40]),
    ],
)
def test_borders_are_where_tiles_begin_or_end(settings: dict[str, int], expected: list[int]) -> None:
    assert tiles.borders(48, **settings) == expected


def test_a_step_between_tiles_is_found(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    even = random.uniform(0.4, 0.6, (64, 128, 3)).astype(np.float32)
    stepped = even.copy()
    stepped[:, 64:] += 0.2
    for name, frame in (("even", even), ("stepped", stepped)):
        with FrameWriter(tmp_path / f"{name}.mkv", rgb_format(128, 64, rate=Fraction(25))) as writer:
            writer.write(frame)
    settings = {"tile": 8}
    ratio = tiles.step_at_borders(tmp_path / "stepped.mkv", settings) / tiles.step_at_borders(
        tmp_path / "even.mkv", settings
    )
    # One column of 128 - 1 and no row of 64 - 1 is a border of tiles of 64 pixels; its step grows from 0.05 to 0.2.
    assert 3.5 < ratio < 5.0
    assert tiles.step_at_borders(tmp_path / "stepped.mkv", {}) == 1.0
