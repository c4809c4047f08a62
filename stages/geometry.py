"""The working sizes of one chunk, from its frame table, the scale and the model folder."""

from __future__ import annotations

from models.folder import ModelFolder

from models.canvas import Canvas, fit_canvas, reference_canvas
from stages.media.table import FrameTable
from stages.setting import ModelSetting


def canvas_of(table: FrameTable, setting: ModelSetting, folder: ModelFolder) -> Canvas:
    """The canvas on which the frames of a chunk are restored (see ``models.canvas``).

    It is known without loading a network, so that the flow stage can work at latent size.
    """
    size = (table.height, table.width)
    if setting.canvas == "published":
        # Its own rule decides, unless another scale than the published 4 is asked for.
        return reference_canvas(size, None if setting.scale == 4 else setting.scale)
    return fit_canvas(size, setting.scale, folder.canvas_multiple)
