"""The published outer split, and the flow crops that go with it."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.motion import Motion
from models.tiling import Tile
from stages.sample.outer_tiles import OuterTile, outer_tiles


def test_a_canvas_with_no_side_over_960_is_one_tile() -> None:
    assert outer_tiles((512, 960), 960, 750, 8) == [OuterTile(Tile(0, 0, 512, 960), Tile(0, 0, 64, 120))]
    assert len(outer_tiles((512, 968), 960, 750, 8)) == 2
    assert len(outer_tiles((4096, 4096), None, 750, 8)) == 1


def test_a_canvas_lower_than_a_tile_has_tiles_as_low_as_itself() -> None:
    tiles = outer_tiles((736, 1312), 960, 750, 8)
    assert [tile.picture for tile in tiles] == [Tile(0, 0, 736, 960), Tile(0, 352, 736, 1312)]
    assert [tile.motion for tile in tiles] == [Tile(0, 0, 92, 120), Tile(0, 44, 92, 164)]


def test_flow_of_inner_tiles_begins_six_pixels_early_per_tile_and_agrees_at_the_border() -> None:
    tiles = outer_tiles((1472, 2592), 960, 750, 8)
    assert [(t.picture.left, t.picture.top) for t in tiles[:4]] == [(0, 0), (0, 512), (750, 0), (750, 512)]
    early = {t.picture.left: t.picture.left - 8 * t.motion.left for t in tiles}
    assert early == {0: 0, 750: 6, 1500: 12, 1632: 0}


def test_where_there_is_a_flow_tile_too_many_the_last_tile_has_the_last() -> None:
    tiles = outer_tiles((960, 3200), 960, 750, 8)
    assert [(t.picture.left, t.motion.left) for t in tiles] == [(0, 0), (750, 93), (1500, 186), (2240, 280)]


@settings(max_examples=40, deadline=None)
@given(height=st.integers(1, 24), width=st.integers(1, 24), tile=st.integers(3, 12), data=st.data())
def test_tiles_cover_the_canvas_and_flow_crops_lie_on_it(
    height: int, width: int, tile: int, data: st.DataObject
) -> None:
    stride = data.draw(st.integers(16, 8 * tile))
    covered = torch.zeros(8 * height, 8 * width, dtype=torch.bool)
    latents = torch.zeros(height, width)
    for each in outer_tiles((8 * height, 8 * width), 8 * tile, stride, 8):
        each.picture.crop(covered)[:] = True
        high, wide = each.motion.bottom - each.motion.top, each.motion.right - each.motion.left
        assert each.picture.crop(covered).shape == (8 * high, 8 * wide)
        assert each.motion.crop(latents).shape == (high, wide)
    assert covered.all()


def test_motion_is_cropped_not_computed_anew() -> None:
    flow, mask = torch.randn(3, 2, 20, 30), torch.randint(0, 2, (3, 1, 20, 30)).float()
    crop = OuterTile(Tile(0, 0, 80, 80), Tile(2, 5, 12, 15)).crop_motion(Motion(flow, -flow, mask, 1 - mask))
    assert torch.equal(crop.forward, flow[..., 2:12, 5:15]) and torch.equal(crop.backward, -crop.forward)
    assert torch.equal(crop.backward_occlusion, 1 - mask[..., 2:12, 5:15])


def test_a_tile_that_the_latents_cannot_have_is_refused() -> None:
    with pytest.raises(ValueError, match=r"pixel_tile is 100, but .* multiple of 8"):
        outer_tiles((200, 200), 100, 90, 8)
