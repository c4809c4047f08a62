from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from models.tiling import (
    Tile,
    canvas_tiles,
    gaussian_weights,
    partition,
    pixel_tiles,
    published_flow_tiles,
    shifted_starts,
    tile_starts,
    window_weights,
)

FOLDER = Path(__file__).parents[1] / "golden"
GOLDEN, FACTS = load_file(FOLDER / "tile_weights.safetensors"), json.loads((FOLDER / "tile_weights.json").read_text())


@pytest.mark.parametrize("name", sorted(GOLDEN))
def test_blend_weights_equal_the_published_ones(name):
    expected = GOLDEN[name].double()
    assert torch.allclose(gaussian_weights(*expected.shape), expected, rtol=1e-6 if "f64" not in name else 1e-12)


def test_blend_weights_are_symmetric_in_x_but_not_in_y():
    weights = gaussian_weights(16, 16)
    assert torch.allclose(weights, weights.flip(1))
    assert not torch.allclose(weights, weights.flip(0), rtol=0.1)
    assert int(weights[:, 0].argmax()) == 8


@pytest.mark.parametrize("case", FACTS["canvas_cases"], ids=lambda c: f"{c['w']}x{c['h']}")
def test_tiles_go_down_first_and_the_last_ends_with_the_canvas(case):
    tiles = canvas_tiles(case["h"], case["w"], case["tile"], case["overlap"])
    assert [[tile.top, tile.left] for tile in tiles] == case["offsets_yx_in_visit_order"]


def test_a_canvas_smaller_than_a_tile_which_breaks_the_published_system_has_one():
    assert canvas_tiles(10, 40, 16, 8) == [Tile(0, x, 10, x + 16) for x in (0, 8, 16, 24)]


@pytest.mark.parametrize("case", FACTS["pixel_tiler_cases"], ids=lambda c: f"{c['w']}x{c['h']}")
def test_pixel_tiles_and_their_flow_tiles_equal_the_published_ones(case):
    tiles = pixel_tiles(case["h"], case["w"])
    assert [[t.top, t.left, t.bottom, t.right] for t in tiles] == case["pixel"]["order_yxyx"]
    flow = published_flow_tiles(case["h"], case["w"])
    assert sorted({t.left for t in flow}) == case["flow"]["x"] and sorted({t.top for t in flow}) == case["flow"]["y"]


def test_published_flow_tiles_have_stride_93_and_so_begin_6_pixels_too_early_per_tile():
    pixels = sorted({tile.left for tile in pixel_tiles(1472, 2592)})
    flow = sorted({tile.left for tile in published_flow_tiles(1472, 2592)})
    assert [p - 8 * f for p, f in zip(pixels, flow, strict=True)] == [0, 6, 12, 0]


@given(length=st.integers(1, 300), tile=st.integers(1, 64), data=st.data())
def test_tiles_cover_every_pixel_and_stay_inside(length, tile, data):
    overlap = data.draw(st.integers(0, tile - 1))
    shift = data.draw(st.integers(0, tile - 1))
    for starts in (tile_starts(length, tile, overlap), shifted_starts(length, tile, shift)):
        covered = {p for start in starts for p in range(start, min(start + tile, length))}
        assert covered == set(range(length))
        assert starts == sorted(starts) and starts[0] == 0
        assert all(start + tile <= length for start in starts) or length < tile
    starts = tile_starts(length, tile, overlap)
    # The smallest number of tiles that will do.
    assert len(starts) == 1 or (len(starts) - 2) * (tile - overlap) + tile < length


def test_shifted_tiles_have_no_border_where_the_others_have_one():
    plain, shifted = tile_starts(64, 16, 0), shifted_starts(64, 16, 8)
    assert not set(plain[1:]) & set(shifted[1:-1])


@given(height=st.integers(1, 40), width=st.integers(1, 40), side=st.integers(1, 20))
def test_a_partition_covers_every_pixel_once_with_tiles_no_larger_than_asked(height, width, side):
    seen = torch.zeros(height, width)
    for tile in partition(height, width, side):
        assert 0 < tile.bottom - tile.top <= side and 0 < tile.right - tile.left <= side
        tile.crop(seen).add_(1)
    assert torch.equal(seen, torch.ones(height, width))


def test_weights_of_a_window_are_positive_and_largest_in_the_middle():
    assert window_weights(5).tolist() == [1, 2, 3, 2, 1] and window_weights(1).tolist() == [1]


@pytest.mark.parametrize(("length", "tile", "overlap"), [(0, 4, 0), (5, 4, 4), (5, 4, -1)])
def test_impossible_tiles_are_refused(length, tile, overlap):
    with pytest.raises(ValueError, match="no tiles"):
        tile_starts(length, tile, overlap)


def test_a_tile_crops_the_last_two_dimensions():
    assert Tile(1, 2, 3, 5).crop(torch.arange(24).view(1, 4, 6)).tolist() == [[[8, 9, 10], [14, 15, 16]]]
