"""The working sizes of one chunk, from its frame table, the scale and the model folder."""

from __future__ import annotations

from dataclasses import replace

from models.canvas import REFERENCE_SCALE, Canvas, fit_canvas, reference_canvas
from models.folder import ModelFolder
from stages.media.table import FrameTable
from stages.setting import ModelSetting


def canvas_of(table: FrameTable, setting: ModelSetting, folder: ModelFolder) -> Canvas:
    """The canvas on which the frames of a chunk are restored (see ``models.canvas``).

    It is known without loading a network, so that the flow stage can work at latent size.
    """
    size = (table.height, table.width)
    if setting.canvas == "exact":
        return fit_canvas(size, setting.scale, folder.canvas_multiple)
    if setting.scale == REFERENCE_SCALE:
        return reference_canvas(size)
    # Another scale than the published one: its padding, but the size that was asked for.
    canvas = reference_canvas(size, setting.scale)
    return replace(canvas, output=canvas.upscaled)
