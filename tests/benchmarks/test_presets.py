from __future__ import annotations

import pytest

from benchmarks.presets import NAMES, values
from pipeline.config import load_config, validate


@pytest.mark.parametrize("name", NAMES)
def test_nothing_of_a_preset_is_changed_but_the_size_of_its_tiles(name: str) -> None:
    found, preset = validate(values(name, 16)), load_config(preset=name)
    tiles = {key: getattr(preset.sample, key) // 4 for key in ("tile", "tile_overlap", "tile_shift")}
    assert tiles["tile"] == 16 and tiles["tile_overlap"] + tiles["tile_shift"] == 8
    assert found.sample == preset.sample.model_copy(update=tiles)
    assert (found.split, found.decode) == (preset.split, preset.decode)
