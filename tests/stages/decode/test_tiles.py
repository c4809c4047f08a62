"""Joining the parts of a canvas."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.tiling import Tile, canvas_tiles
from stages.decode.tiles import joined


def test_published_tiles_are_averaged_uniformly() -> None:
    tiles = [Tile(0, 0, 2, 4), Tile(0, 2, 2, 6)]
    parts = [torch.full((1, 3, 2, 4), 1.0), torch.full((1, 3, 2, 4), 4.0)]
    assert joined(tiles, parts, (2, 6))[0, 0, 0].tolist() == [1, 1, 2.5, 2.5, 4, 4]


@settings(max_examples=40, deadline=None)
@given(height=st.integers(1, 20), width=st.integers(1, 20), tile=st.integers(2, 12), data=st.data())
def test_parts_of_a_picture_join_to_the_picture(height: int, width: int, tile: int, data: st.DataObject) -> None:
    picture = torch.rand(2, 3, height, width)
    tiles = canvas_tiles(height, width, tile, data.draw(st.integers(0, tile - 1)))
    whole = joined(tiles, (t.crop(picture) for t in tiles), (height, width))
    assert torch.allclose(whole, picture, atol=1e-5)


def test_a_single_part_is_not_touched() -> None:
    part = torch.rand(1, 3, 4, 4)
    assert joined([Tile(0, 0, 4, 4)], [part], (4, 4)) is part


def test_no_part_is_made_before_the_one_before_it_has_been_added() -> None:
    with pytest.raises(ValueError, match="shorter"):
        joined([Tile(0, 0, 2, 2), Tile(0, 2, 2, 4)], [torch.zeros(1, 3, 2, 2)], (2, 4))
