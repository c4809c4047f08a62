"""Decoding a canvas in parts, and joining the parts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor

from models.canvas import Size
from models.tiling import Tile, canvas_tiles, gaussian_weights
from stages.sample.latents import Piece

Weights = Callable[[int, int], Tensor]
"""(height, width) of a tile -> how much each of its pixels counts, [height, width]."""


def uniform_weights(height: int, width: int) -> Tensor:
    """All pixels count the same: the published average of pixel tiles."""
    return torch.ones(height, width)


def smooth_weights(height: int, width: int) -> Tensor:
    """Pixels count the less the nearer they are to the tile's edge, so that no edge shows."""
    return gaussian_weights(height, width)


def cut(whole: Piece, tile: int | None, overlap: int, factor: int) -> list[Piece]:
    """The latents of a canvas in overlapping tiles.

    Args:
        whole: all of the canvas.
        tile: side of the tiles in latent pixels; None: one tile.
        overlap: of neighbouring tiles, in latent pixels.
        factor: pixels per latent pixel.
    """
    height, width = whole.latents.shape[-2:]
    if tile is None or max(height, width) <= tile:
        return [whole]
    tiles = canvas_tiles(height, width, tile, overlap)
    return [
        Piece(Tile(t.top * factor, t.left * factor, t.bottom * factor, t.right * factor), t.crop(whole.latents))
        for t in tiles
    ]


def joined(tiles: Sequence[Tile], parts: Iterable[Tensor], canvas: Size, weights: Weights = uniform_weights) -> Tensor:
    """The weighted mean of overlapping parts.

    Args:
        tiles: where each part belongs; together they cover the canvas.
        parts: [n, 3, h, w] each, as large as its tile; taken one after the other.
        canvas: height and width.
        weights: how much the pixels of a part count.

    Returns:
        [n, 3, *canvas]; a single part as it is.
    """
    total, norm = None, None
    for tile, part in zip(tiles, parts, strict=True):
        if len(tiles) == 1:
            return part
        if total is None or norm is None:
            total, norm = part.new_zeros(*part.shape[:2], *canvas), part.new_zeros(*canvas)
        weight = weights(*part.shape[-2:]).to(part)
        tile.crop(total).add_(weight * part)
        tile.crop(norm).add_(weight)
    assert total is not None and norm is not None, "a canvas has at least one tile"
    return total.div_(norm)
