"""Joining the parts of a canvas that was sampled in pixel tiles."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from torch import Tensor

from models.canvas import Size
from models.tiling import Tile


def joined(tiles: Sequence[Tile], parts: Iterable[Tensor], canvas: Size) -> Tensor:
    """The mean of overlapping parts, as published (golden README, "Segments").

    Args:
        tiles: where each part belongs; together they cover the canvas.
        parts: [n, 3, h, w] each, as large as its tile; taken one after the other.
        canvas: height and width.

    Returns:
        [n, 3, *canvas]; a single part as it is.
    """
    total, norm = None, None
    for tile, part in zip(tiles, parts, strict=True):
        if len(tiles) == 1:
            return part
        if total is None or norm is None:
            total, norm = part.new_zeros(*part.shape[:2], *canvas), part.new_zeros(*canvas)
        tile.crop(total).add_(part)
        tile.crop(norm).add_(1)
    assert total is not None and norm is not None, "a canvas has at least one tile"
    return total.div_(norm)
