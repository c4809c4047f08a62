"""What sample hands to decode, and the noise it was made with."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from models.tiling import Tile
from stages.contract import ItemError
from stages.sample.latents import LATENTS_NAME, Piece, load_pieces, save_pieces
from stages.sample.noise import ChunkNoise


def test_a_canvas_in_one_piece_is_one_tensor(tmp_path: Path) -> None:
    latents = torch.randn(3, 4, 5, 7)
    save_pieces(tmp_path, [Piece(Tile(0, 0, 40, 56), latents)])
    assert set(load_file(tmp_path / LATENTS_NAME)) == {"latents"}
    (piece,) = load_pieces(tmp_path, 8)
    assert piece.tile == Tile(0, 0, 40, 56) and torch.equal(piece.latents, latents)


def test_pieces_keep_their_places_and_their_order(tmp_path: Path) -> None:
    tiles = [Tile(y, x, y + 40, x + 40) for x in (0, 36, 720, 1000) for y in (0, 36, 720)]
    pieces = [Piece(tile, torch.randn(2, 4, 5, 5)) for tile in tiles]
    save_pieces(tmp_path, pieces)
    found = load_pieces(tmp_path, 8)
    assert [piece.tile for piece in found] == tiles
    assert all(torch.equal(a.latents, b.latents) for a, b in zip(pieces, found, strict=True))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize(("lefts", "name"), [((0,), "latents"), ((0, 720), r"latents\.0\.720")])
def test_latents_that_are_no_numbers_are_refused_and_not_written(
    tmp_path: Path, value: float, lefts: tuple[int, ...], name: str
) -> None:
    pieces = [Piece(Tile(0, left, 40, left + 40), torch.randn(2, 4, 5, 5)) for left in lefts]
    pieces[-1].latents[1, 2, 3, 4] = value
    with pytest.raises(ItemError, match=rf"^{name}: 1 of 200 values .*runtime\.precision.*$"):
        save_pieces(tmp_path, pieces)
    assert not list(tmp_path.iterdir())


def test_noise_belongs_to_the_frame_of_the_video() -> None:
    one, other = ChunkNoise(42, "v", first=10), ChunkNoise(42, "v", first=13)
    assert torch.equal(one(5, 0, (4, 3, 3)), other(2, 0, (4, 3, 3)))
    assert not torch.equal(one(5, 0, (4, 3, 3)), one(6, 0, (4, 3, 3)))
    assert not torch.equal(one(5, 0, (4, 3, 3)), one(5, "posterior", (4, 3, 3)))


def test_restarted_noise_is_the_same_in_every_window_of_every_chunk() -> None:
    one, other = ChunkNoise(42, "v", first=10, period=5), ChunkNoise(42, "v", first=35, period=5)
    assert torch.equal(one(2, 0, (4, 3, 3)), other(7, 0, (4, 3, 3)))
    assert not torch.equal(one(2, 0, (4, 3, 3)), one(3, 0, (4, 3, 3)))
