"""Frames of one video that change their colour family: what their code values mean once they are of one form."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import av

from stages.contract import ItemError
from stages.media.colour import ColourTags, Matrix, matrix_reason
from stages.media.probe import VideoFacts, colour_tags, format_kind

Form = tuple[int, int, str]
"""Width, height and pixel format."""

Tags = tuple[int, int, int, int]
"""Matrix, range, primaries and transfer as FFmpeg numbers them."""

_SWSCALE = {Matrix.BT470BG: 5, Matrix.SMPTE170M: 5}
"""Where swscale's number of a matrix is not H.273's."""


def tags_of(picture: av.VideoFrame) -> Tags:
    """The tags of a picture as decoded."""
    return picture.colorspace, picture.color_range, picture.color_primaries, picture.color_trc


def facts_of_form(facts: VideoFacts, form: Form, tags: Tags, name: str) -> VideoFacts:
    """``facts`` of a video whose frames are brought to ``form``: R'G'B', grey and Y'CbCr differ in what tags mean.

    A header describes the first frame, and that may be a grey leader before colour.

    Args:
        facts: what the headers say.
        form: of most frames.
        tags: of the first frame in that form.
        name: for messages.

    Raises:
        ItemError: see ``decide_matrix``.
    """
    width, height, pix_fmt = form
    if format_kind(pix_fmt) == format_kind(facts.pix_fmt):
        return facts
    try:
        colour = colour_tags(pix_fmt, width, height, tags, facts.codec)
    except ItemError as error:
        raise ItemError(f"{name}: {error}") from None
    return replace(facts, colour=colour, matrix_reason=matrix_reason(tags[0], colour.matrix, height))


def conversion(picture: av.VideoFrame, pix_fmt: str, colour: ColourTags) -> dict[str, Any]:
    """What ``VideoFrame.reformat`` must be told to make Y'CbCr with the meaning of ``colour`` of another family."""
    if format_kind(pix_fmt) != "yuv" or format_kind(picture.format.name) == "yuv":
        return {}
    return {"dst_color_range": int(colour.range), "dst_colorspace": _SWSCALE.get(colour.matrix, int(colour.matrix))}
