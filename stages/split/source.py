"""The frames of a source as they are restored: fields treated as decided, all of one size, each with its timestamp."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from stages.contract import ItemError
from stages.media.account import SourceAccount
from stages.media.ffv1 import EXACT
from stages.media.forms import conversion, facts_of_form
from stages.media.probe import VideoFacts, describe, open_video
from stages.split.config import SplitConfig
from stages.split.reading import PictureReader
from stages.split.survey import Survey, form_of, survey
from stages.split.timestamps import Stamp
from stages.split.treatment import FieldTreatment


class SourceReader:
    """The second reading of a source, front to back, by what the first one found.

    Attributes:
        facts: what the headers say, and the colour of ``Survey.form``.
        account: what the first reading found.
        frames: frames read so far.
    """

    def __init__(self, container: Any, facts: VideoFacts, found: Survey) -> None:
        self.facts = facts
        self.account: SourceAccount = found.account
        self.frames = 0
        self._pictures = PictureReader(container, facts, found.begin)
        self._stream = container.streams[facts.index]
        self._treatment = FieldTreatment(found.fields)
        self._form = found.form

    @property
    def nominal(self) -> int:
        """Ticks of one frame at the nominal rate."""
        return self._pictures.nominal

    @property
    def errors(self) -> int:
        """Packets that could not be decoded whole; complete when all frames have been read."""
        return self._pictures.errors

    @property
    def sar(self) -> Fraction:
        """Sample aspect ratio: the container's, else the one that the decoder met, else 1."""
        return Fraction(self._stream.sample_aspect_ratio or self._stream.codec_context.sample_aspect_ratio or 1)

    def __iter__(self) -> Iterator[tuple[av.VideoFrame, Stamp]]:
        for picture, stamp in self._pictures:
            yield from self._finished(self._treatment.add(picture, stamp))
        yield from self._finished(self._treatment.finish())

    def _finished(self, done: list[tuple[av.VideoFrame, Stamp]]) -> Iterator[tuple[av.VideoFrame, Stamp]]:
        for picture, stamp in done:
            yield self._of_one_form(picture), stamp
            self.frames += 1

    def _of_one_form(self, picture: av.VideoFrame) -> av.VideoFrame:
        if form_of(picture) == self._form:
            return picture
        width, height, name = self._form
        meant = conversion(picture, name, self.facts.colour)
        return picture.reformat(width, height, name, interpolation=EXACT, threads=1, **meant)


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
        facts = facts_of_form(describe(container, path.name), found.form, found.tags, path.name)
        yield SourceReader(container, facts, found)
