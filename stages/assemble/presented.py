"""The packets of a source that its presentation has; an edit list (MP4, MOV) may skip others or have some twice."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterator
from fractions import Fraction
from typing import Any

import av

LEAD = Fraction(1, 10)
"""Seconds of packets before the first that is heard which go along: decoders start with them (priming, pre-roll)."""


def presented(packets: Iterator[Any], decoded: Container[int] = ()) -> Iterator[Any]:
    """The packets that hold something and are not skipped, up to where the file breaks off: split has met the same end.

    Those right before the first that is not skipped are kept, as ``is_discard`` still says of them. Of the streams in
    ``decoded`` all are: their decoder goes through what is skipped, and leaves it out to the sample.
    """
    leading: dict[int, list[Any]] = defaultdict(list)
    begun: set[int] = set()
    try:
        for packet in packets:
            if not packet.size:
                continue
            index = packet.stream.index
            if index in decoded or not packet.is_discard:
                if index not in begun:
                    begun.add(index)
                    yield from leading.pop(index, ())
                yield packet
            elif index not in begun:
                leading[index] = [*(each for each in leading[index] if _near(each, packet)), packet]
    except av.error.FFmpegError:
        return


def _near(earlier: Any, later: Any) -> bool:
    if earlier.pts is None or later.pts is None:
        return False
    return bool(0 <= (later.pts - earlier.pts) * later.time_base < LEAD)
