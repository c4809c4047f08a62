"""Cutting a canvas into tiles and a chunk into windows, and how overlapping predictions are blended.

The published rules (golden README, section 8) are ``tile_starts``, ``canvas_tiles``, ``gaussian_weights`` and, for the
outer split in pixels, ``pixel_tiles`` with its flow crops. ``shifted_starts``, ``partition`` and ``window_weights`` are
ours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

GAUSSIAN_VARIANCE = 0.01
"""Of the blend weights, in units of the squared side of the tile."""

PIXEL_TILE, PIXEL_STRIDE = 960, 750
"""Side and stride of the published outer tiles, in pixels of the padded frame; used when a side exceeds the first."""


@dataclass(frozen=True, slots=True, order=True)
class Tile:
    """A rectangle of the canvas; half-open.

    Attributes:
        top: first row.
        left: first column.
        bottom: one past the last row.
        right: one past the last column.
    """

    top: int
    left: int
    bottom: int
    right: int

    def crop(self, x: Tensor) -> Tensor:
        """A view of the tile in ``[..., H, W]``."""
        return x[..., self.top : self.bottom, self.left : self.right]


def tile_starts(length: int, tile: int, overlap: int) -> list[int]:
    """Where tiles begin along one side: every ``tile - overlap``, the last moved back to end with the side.

    A side shorter than a tile has one tile from 0 (the published system breaks there).

    Raises:
        ValueError: unless ``0 <= overlap < tile`` and the length is positive.
    """
    if not 0 <= overlap < tile or length < 1:
        raise ValueError(f"no tiles of {tile} overlapping by {overlap} in {length}")
    stride = tile - overlap
    count = max(1, math.ceil((length - tile) / stride) + 1)
    return [i * stride for i in range(count - 1)] + [max(0, length - tile)]


def shifted_starts(length: int, tile: int, shift: int) -> list[int]:
    """Tiles that begin ``shift`` later than those of ``tile_starts`` without overlap, and one more before them.

    Alternating between both from step to step lets no border stay at its place, so that tiles need no overlap.
    """
    if not 0 < shift < tile or length <= tile:
        return tile_starts(length, tile, 0)
    inner = range(shift, length - tile, tile)
    return sorted({0, *inner, length - tile})


def canvas_tiles(height: int, width: int, tile: int, overlap: int, shift: int = 0) -> list[Tile]:
    """The tiles of a canvas in the published order: the outer loop goes from left to right, the inner one down.

    Args:
        height: of the canvas.
        width: of the canvas.
        tile: side of the square tiles; a canvas smaller than that in one direction has smaller tiles.
        overlap: of neighbouring tiles.
        shift: 0, or how far to move the tiles, which then do not overlap (``shifted_starts``).
    """

    def starts(length: int) -> list[int]:
        return shifted_starts(length, tile, shift) if shift else tile_starts(length, tile, overlap)

    high, wide = min(tile, height), min(tile, width)
    return [Tile(y, x, y + high, x + wide) for x in starts(width) for y in starts(height)]


def partition(height: int, width: int, side: int) -> list[Tile]:
    """Tiles that cover a canvas without overlap, of sides at most ``side`` and as equal as can be; row by row."""

    def cuts(length: int) -> list[int]:
        count = max(1, math.ceil(length / side))
        return [length * number // count for number in range(count + 1)]

    rows, columns = list(pairwise(cuts(height))), list(pairwise(cuts(width)))
    return [Tile(top, left, bottom, right) for top, bottom in rows for left, right in columns]


def gaussian_weights(height: int, width: int) -> Tensor:
    """Blend weights ``[height, width]`` of a tile, float64: a Gaussian about its middle.

    As published, the middle is (width - 1) / 2 across but height / 2 down: the window is not symmetric in y.
    """

    def bell(length: int, middle: float) -> Tensor:
        distance = (torch.arange(length, dtype=torch.float64) - middle) / length
        return (-(distance**2) / (2 * GAUSSIAN_VARIANCE)).exp() / math.sqrt(2 * math.pi * GAUSSIAN_VARIANCE)

    return torch.outer(bell(height, height / 2), bell(width, (width - 1) / 2))


def window_weights(frames: int) -> Tensor:
    """Blend weights ``[frames]`` of a window, float64: a triangle, as frames in the middle see most neighbours."""
    index = torch.arange(frames, dtype=torch.float64)
    return torch.minimum(index + 1, frames - index)


def pixel_starts(length: int, tile: int, stride: int) -> list[int]:
    """The published outer split of one side: 0, stride, 2 stride, ..., moved back where they would overrun.

    Tiles moved back to the same place count once; a side no longer than a tile has one tile.
    """
    if length <= tile:
        return [0]
    return sorted({min(start, length - tile) for start in range(0, length, stride)})


def pixel_tiles(height: int, width: int, tile: int = PIXEL_TILE, stride: int = PIXEL_STRIDE) -> list[Tile]:
    """The published outer tiles of a padded frame, in their order: width is the outer loop.

    Tiles have the full side even on a canvas shorter than that in one direction; ``Tile.crop`` is then shorter.
    """
    rows, columns = pixel_starts(height, tile, stride), pixel_starts(width, tile, stride)
    return [Tile(y, x, y + tile, x + tile) for x in columns for y in rows]


def published_flow_tiles(
    height: int, width: int, tile: int = PIXEL_TILE, stride: int = PIXEL_STRIDE, factor: int = 8
) -> list[Tile]:
    """The crops of flow and masks that the published system pairs with ``pixel_tiles``, in latent pixels.

    Their stride is 750 / 8 rounded down, 93, so that tile k of the interior begins 0.75 k latent pixels too early.

    Args:
        height: of the padded frame, in pixels.
        width: of the padded frame, in pixels.
        tile: side of the pixel tiles.
        stride: stride of the pixel tiles.
        factor: pixels per latent pixel.
    """
    return pixel_tiles(height // factor, width // factor, tile // factor, stride // factor)
