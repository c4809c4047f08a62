"""The packets of a source that its presentation has; an edit list (MP4, MOV) may skip others or have some twice."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterator
from fractions import Fraction
from typing import Any

import av

LEAD = Fraction(1, 10)
"""Seconds of packets before the first that is heard which go along: decoders start with them (priming, pre-roll)."""

SKIP = "skip_samples"
"""Side data of a packet: samples that a decoder must drop from its beginning (FFmpeg's AV_PKT_DATA_SKIP_SAMPLES)."""


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
                near = [*(each for each in leading[index] if _near(each, packet)), packet]
                _hand_over(leading[index], near[0])
                leading[index] = near
    except av.error.FFmpegError:
        return


def _near(earlier: Any, later: Any) -> bool:
    if earlier.pts is None or later.pts is None:
        return False
    return bool(0 <= (later.pts - earlier.pts) * later.time_base < LEAD)


def _hand_over(leading: list[Any], first: Any) -> None:
    """Let the packet that is now the first say how much is skipped from it on, as the one said that was it."""
    before = leading[0] if leading else first
    if before is first or not before.has_sidedata(SKIP) or not first.stream.codec_context.sample_rate:
        return
    said = before.get_sidedata(SKIP)
    data = bytes(said)
    passed = round((first.pts - before.pts) * first.time_base * first.stream.codec_context.sample_rate)
    skipped = int.from_bytes(data[:4], "little") - passed
    if skipped > 0:
        said.update(skipped.to_bytes(4, "little") + data[4:])
        first.set_sidedata(said)
