"""The frames of a source as they are restored: fields treated as decided, all of one form, each with its timestamp."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import av

from stages.contract import ItemError
from stages.media.account import Order, SourceAccount
from stages.media.colour import ColourTags, Matrix
from stages.media.ffv1 import EXACT, OutputFormat
from stages.media.frames import picture_from_rgb, rgb_from_picture
from stages.media.probe import VideoFacts, describe, open_video
from stages.split.config import SplitConfig
from stages.split.form import Form, raster_of, tags_of
from stages.split.reading import PictureReader
from stages.split.survey import Survey, survey
from stages.split.timestamps import Stamp
from stages.split.treatment import FieldTreatment

_SWSCALE = {Matrix.BT470BG: 5, Matrix.SMPTE170M: 5}
"""Where swscale's number of a matrix is not H.273's."""


class SourceReader:
    """The second reading of a source, front to back, by what the first one found.

    Attributes:
        facts: what the headers say, but for shape and colour, which are those of most frames.
        turn: how a player turns the pictures.
        account: what the first reading found.
        frames: frames read so far.
    """

    def __init__(self, container: Any, facts: VideoFacts, found: Survey) -> None:
        self.facts = replace(facts, sar=found.usual.sar, colour=found.usual.colour, matrix_reason=found.usual.reason)
        self.turn = found.turn
        self.account: SourceAccount = found.account
        self.frames = 0
        self._pictures = PictureReader(container, facts, found.begin)
        self._treatment = FieldTreatment(found.fields)
        self._usual = found.usual

    @property
    def nominal(self) -> int:
        """Ticks of one frame at the nominal rate."""
        return self._pictures.nominal

    @property
    def woven(self) -> Order:
        """Which field comes first, where they are kept woven together: of the whole video or of nothing."""
        return next((each.order for each in self.account.fields if each.treatment == "kept"), "")

    @property
    def errors(self) -> int:
        """Packets that could not be decoded whole; complete when all frames have been read."""
        return self._pictures.errors

    def __iter__(self) -> Iterator[tuple[av.VideoFrame, Stamp]]:
        for picture, stamp in self._pictures:
            yield from self._finished(self._treatment.add(picture, stamp))
        yield from self._finished(self._treatment.finish())

    def _finished(self, done: list[tuple[av.VideoFrame, Stamp]]) -> Iterator[tuple[av.VideoFrame, Stamp]]:
        for picture, stamp in done:
            yield self._of_one_form(picture), stamp
            self.frames += 1

    def _of_one_form(self, picture: av.VideoFrame) -> av.VideoFrame:
        """Size and format by swscale; other code values of Y'CbCr through R'G'B', which swscale does not do exactly."""
        usual, form = self._usual, Form(raster_of(picture), None, tags_of(picture))
        colour = usual.colour_of(form, self.facts.codec)
        width, height, name = usual.raster
        if usual.is_of_kind(form.raster) and not usual.has_codes_of(colour):
            sized = picture.reformat(width, height, interpolation=EXACT, threads=1)
            fmt = OutputFormat(width, height, name, self.facts.rate, usual.sar, usual.colour)
            return picture_from_rgb(rgb_from_picture(sized, colour), fmt)
        if form.raster == usual.raster:
            return picture
        meant = {} if usual.is_of_kind(form.raster) else _meaning(usual.colour)
        return picture.reformat(width, height, name, interpolation=EXACT, threads=1, **meant)


def _meaning(colour: ColourTags) -> dict[str, int]:
    """What ``VideoFrame.reformat`` must be told to make code values of that meaning from another colour family."""
    if colour.matrix == Matrix.RGB:
        return {}
    matrix = _SWSCALE.get(colour.matrix, int(colour.matrix))
    return {"dst_color_range": int(colour.range), "dst_colorspace": matrix}


@contextmanager
def read_source(path: Path, config: SplitConfig) -> Iterator[SourceReader]:
    """Survey a video, then open it for its second reading.

    Raises:
        ItemError: not a video, or none of its frames can be decoded.
    """
    found = survey(path, config)
    if found is None:
        raise ItemError(f"{path.name}: none of its frames can be decoded; fetch it again")
    with open_video(path, config.sequence_rate) as container:
        yield SourceReader(container, describe(container, path.name), found)
