"""The outer split of a large canvas, in pixels: each tile is restored by itself (golden README, section 8)."""

from __future__ import annotations

from dataclasses import dataclass

from models.canvas import Size
from models.motion import Motion
from models.tiling import Tile, pixel_tiles, published_flow_tiles


@dataclass(frozen=True, slots=True)
class OuterTile:
    """One rectangle of the canvas.

    Attributes:
        picture: in pixels.
        motion: the crop of flow and masks that goes with it, in latent pixels: of the same size, but not always at the
            same place (see ``outer_tiles``).
    """

    picture: Tile
    motion: Tile

    def crop_motion(self, motion: Motion) -> Motion:
        """The motion within the tile, of flows and masks that were computed on the whole canvas."""
        return Motion(
            self.motion.crop(motion.forward),
            self.motion.crop(motion.backward),
            self.motion.crop(motion.forward_occlusion),
            self.motion.crop(motion.backward_occlusion),
        )


def outer_tiles(canvas: Size, tile: int | None, stride: int, factor: int) -> list[OuterTile]:
    """The tiles of a canvas, in the published order: the outer loop goes from left to right, the inner one down.

    Flow tiles lie a whole number of latent pixels apart, so with a stride that is no multiple of ``factor``, as the
    published 750, those of the interior begin too early: by 6 pixels per tile. On a few widths (3200 is the first)
    there is one flow tile more than there are tiles; the last tile then takes the last flow tile, which is where it
    should be, and the one before that is left out.

    Args:
        canvas: height and width in pixels, multiples of ``factor``.
        tile: side of the tiles in pixels, a multiple of ``factor``; None: the canvas is one tile. It is one, too, if
            neither side exceeds ``tile``.
        stride: from one tile to the next.
        factor: pixels per latent pixel.

    Raises:
        ValueError: if ``tile`` is no multiple of ``factor``.
    """
    height, width = canvas
    if tile is None or max(canvas) <= tile:
        return [OuterTile(Tile(0, 0, height, width), Tile(0, 0, height // factor, width // factor))]
    if tile % factor:
        raise ValueError(f"pixel_tile is {tile}, but this model's latents need a multiple of {factor}")
    pictures = pixel_tiles(height, width, tile, stride)
    flows = published_flow_tiles(height, width, tile, stride, factor)
    rows = _partners([t.top for t in pictures], [t.top for t in flows])
    columns = _partners([t.left for t in pictures], [t.left for t in flows])
    found = []
    for picture in pictures:
        inside = Tile(picture.top, picture.left, min(picture.bottom, height), min(picture.right, width))
        top, left = rows[picture.top], columns[picture.left]
        high, wide = (inside.bottom - inside.top) // factor, (inside.right - inside.left) // factor
        found.append(OuterTile(inside, Tile(top, left, top + high, left + wide)))
    return found


def _partners(pixel_starts: list[int], flow_starts: list[int]) -> dict[int, int]:
    """Where along one side the flow of each tile begins: first with first, second with second, last with last."""
    pixels, flows = sorted(set(pixel_starts)), sorted(set(flow_starts))
    return {**dict(zip(pixels, flows, strict=False)), pixels[-1]: flows[-1]}
