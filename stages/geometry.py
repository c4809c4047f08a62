"""The working sizes of one chunk, from its frame table, the scale and the model folder."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from models.canvas import REFERENCE_SCALE, Canvas, canvas_for_output, fit_canvas, reference_canvas
from models.folder import ModelFolder
from models.latent_size import LEAST_LATENT_WIDTH
from stages.media.table import FrameTable
from stages.setting import ModelSetting


def canvas_of(table: FrameTable, setting: ModelSetting, folder: ModelFolder) -> Canvas:
    """The canvas on which the frames of a chunk are restored (see ``models.canvas``).

    It is known without loading a network, so that the flow stage can work at latent size.
    """
    size = (table.height, table.width)
    if setting.height is not None:
        return _wide(canvas_for_output(size, _for_height(table, setting.height), folder.canvas_multiple), folder)
    if setting.canvas == "exact":
        return _wide(fit_canvas(size, setting.scale, folder.canvas_multiple), folder)
    if setting.scale == REFERENCE_SCALE:
        return reference_canvas(size)
    # Another scale than the published one: its padding, but the size that was asked for.
    canvas = reference_canvas(size, setting.scale)
    return _wide(replace(canvas, output=canvas.upscaled), folder)


def reduction_to_source(canvas: Canvas, most: int) -> int:
    """By how much frames on the canvas are reduced to be looked at: no further than back to the source's size.

    Args:
        canvas: of the chunk.
        most: the largest answer.

    Returns:
        A whole number, at least 1; a result that is up to a tenth of the source smaller counts as the source's size,
        since sides are rounded.
    """
    return min(most, max(1, int(canvas.upscaled[0] / canvas.source[0] + 0.1)))


def _wide(canvas: Canvas, folder: ModelFolder) -> Canvas:
    """The canvas, padded to the width that the networks need where a video is narrower than any real one."""
    height, width = canvas.padded
    return replace(canvas, padded=(height, max(width, LEAST_LATENT_WIDTH * folder.canvas_multiple)))


def _for_height(table: FrameTable, height: int) -> tuple[int, int]:
    """Height and width at which a player shows that many rows, sides to scale and even; the source's if that is more.

    What rounding takes from the shape, the sample aspect ratio gives back (see ``media.frames.output_format``).
    """
    turned = table.rotation % 180 != 0
    shown = table.width if turned else table.height
    scale = Fraction(max(height, shown), shown)
    if scale == 1:
        return table.height, table.width
    sides = [2 * round(side * scale / 2) for side in (table.height, table.width)]
    sides[1 if turned else 0] = height
    return sides[0], sides[1]
