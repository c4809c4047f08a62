"""The sample aspect ratio of every picture, which may change within a stream."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import av

_FARTHEST_AHEAD = 100
"""Packets that a decoder takes in before it gives the picture of the first, at most."""


class Shapes:
    """The sample aspect ratio of each picture: what the decoder knew when it had taken the packet of that picture in.

    Where the container contradicts what the first pictures say, its word counts for all of them. A file of DV has no
    word of its own: FFmpeg takes it from the frame that it has read last.
    """

    def __init__(self, stream: Any, container: str) -> None:
        self._stream = stream
        said = None if container == "dv" else stream.sample_aspect_ratio
        self._fixed = said if said and said != stream.codec_context.sample_aspect_ratio else None
        self._known: dict[int, list[Fraction | None]] = {}  # a timestamp may be there twice

    def met(self, packet: Any) -> None:
        """A packet has been decoded."""
        if packet.pts is not None:
            self._known.setdefault(packet.pts, []).append(self._now())
        if len(self._known) > _FARTHEST_AHEAD:  # those of second fields, and of packets that gave no picture
            self._known.pop(next(iter(self._known)))

    def of(self, picture: av.VideoFrame) -> Fraction | None:
        """The sample aspect ratio of a picture; None if nothing says so."""
        known = self._known.get(picture.pts, []) if picture.pts is not None else []
        found = known.pop(0) if known else self._now()
        if not known:
            self._known.pop(picture.pts, None)
        return found

    def _now(self) -> Fraction | None:
        return self._fixed or self._stream.codec_context.sample_aspect_ratio or None
