"""The clock of a source, where it does not run on: joined files restart it, a flipped bit makes it jump.

Frames whose timestamps are not later than those before them are placed behind them (``stages.split.timestamps``). What
goes along with the pictures has to be moved by as much, or it loses them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

from stages.assemble.presented import presented
from stages.media.demuxing import GROWING, demux, open_every_stream
from stages.media.probe import describe
from stages.media.wholeness import matroska_files

_MATROSKA = "matroska,webm"
_BACK = 2
"""Frames: by so much may timestamps of decoding go back without a restart, and so many may be wrong."""
_REORDERED = 17
"""Frames: by so much may times go back at which pictures are shown, where packets come in the order of decoding."""
_GUESSED = Fraction(2)
"""Seconds, at most, up to its second picture that stands by itself, through which a program stream that was cut out of
another may go back: when its first pictures are decoded is FFmpeg's guess."""
_PAUSE = Fraction(1)
"""Seconds without a picture after which a stretch is a new one."""
_STRAY = Fraction(2)
"""Seconds: farthest that interleaved packets drift apart."""
_SPARSE = Fraction(10)
"""The same of subtitles, which may be stored long before they are shown."""
_EVEN, _OVERLAP = Fraction(1, 2), Fraction(1, 10)
"""Seconds: what begins so soon after, or before, the end of the packet before follows it."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Video packets through which the clock runs on.

    Attributes:
        first: number of the first packet.
        begin, end: seconds, as stored, at which the first packet begins and the last ends.
        offset: seconds to add.
    """

    first: int
    begin: Fraction
    end: Fraction
    offset: Fraction


def find_stretches(packets: Iterable[Any], frame: Fraction, back: int = _BACK) -> list[Stretch]:
    """The stretches of a video stream.

    Args:
        packets: its packets in order.
        frame: seconds of one frame.
        back: by how many frames their timestamps of decoding may go back without a restart.
    """
    found: list[Stretch] = []
    whole = 0
    for number, packet in enumerate(packets):
        whole += packet.is_keyframe + (not number and _begins_whole(packet))
        guessed = whole < 2 and number * frame < _GUESSED
        if packet.dts is None:
            continue
        time = packet.dts * packet.time_base
        here = found[-1] if found else None
        if here and (guessed or -back * frame <= time - here.end) and time - here.end <= max(_PAUSE, 10 * frame):
            found[-1] = replace(here, end=max(here.end, time + frame))
        elif here and len(found) > 1 and _strayed(found[-2], here, time, frame):
            before = found[-2]
            found[-1] = replace(here, offset=before.end + before.offset - here.begin)
            found.append(Stretch(number, time, time + frame, before.offset))
        else:
            offset = max(Fraction(0), here.end + here.offset - time) if here else Fraction(0)
            found.append(Stretch(number, time, time + frame, offset))
    return found


def _begins_whole(packet: Any) -> bool:
    """Whether a stream that begins with this packet was not cut out of another: it can be decoded, and in time."""
    in_time = packet.pts is None or packet.dts is None or packet.dts <= packet.pts
    return bool(packet.is_keyframe and in_time)


def clock_of(source: Path) -> Clock:
    """The clock of a video; one that moves nothing where the container has no interleaved packets that tell."""
    with open_every_stream(source) as container:
        # DV has no clock: it counts frames.
        restarts = container.format.name in GROWING or (
            container.format.name == _MATROSKA and matroska_files(source) > 1
        )
        if container.format.name == "dv" or not restarts:
            return Clock([])
        facts = describe(container, source.name)
        packets = presented(demux(container, container.streams[facts.index]))
        if container.format.name == _MATROSKA:  # it has no timestamps of decoding, FFmpeg guesses, and wrongly so
            return Clock(find_stretches(map(_as_shown, packets), 1 / facts.rate, _REORDERED))
        return Clock(find_stretches(packets, 1 / facts.rate))


def _as_shown(packet: Any) -> Any:
    packet.dts = packet.pts
    return packet


def _strayed(before: Stretch, here: Stretch, time: Fraction, frame: Fraction) -> bool:
    """Whether ``here`` was a wrong time or two, after which the clock runs on at ``time``: such frames are mended."""
    length = here.end - here.begin
    return length <= _BACK * frame and abs(time - before.end - length) < _EVEN


@dataclass(slots=True)
class Track:
    """What has been seen of one stream that goes along.

    Attributes:
        end: seconds, as moved, at which its last packet ends.
        offset: seconds by which it was moved.
        distance: seconds by which it is later than the pictures in the file.
        strays: packets whose time was not believed.
        stray: the first of those times, in seconds as stored.
    """

    end: Fraction | None = None
    offset: Fraction = Fraction(0)
    distance: Fraction = Fraction(0)
    strays: int = 0
    stray: Fraction = Fraction(0)

    def is_next(self, place: Fraction) -> bool:
        """Whether a packet that belongs to ``place`` follows the one before."""
        return self.end is not None and -_OVERLAP < place - self.end < _EVEN


@dataclass(slots=True)
class Clock:
    """Says by how much packets are moved, while one goes through a file in its order."""

    stretches: list[Stretch]
    _at: int = 0
    _number: int = -1
    _now: Fraction = Fraction(0)
    _tracks: dict[int, Track] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._now = self.stretches[0].begin if self.stretches else Fraction(0)

    def pass_picture(self, packet: Any) -> None:
        """Take note of a video packet."""
        self._number += 1
        if packet.dts is None:
            return
        while self._at + 1 < len(self.stretches) and self.stretches[self._at + 1].first <= self._number:
            self._at += 1
        self._now = packet.dts * packet.time_base + self.stretches[self._at].offset

    def offset(self, index: int, time: Fraction, duration: Fraction, steady: bool = True) -> Fraction:
        """Seconds to add to the timestamps of a packet.

        Args:
            index: of its stream.
            time: seconds at which it is stored.
            duration: seconds.
            steady: whether packets of the stream follow each other without a pause, as a rule.
        """
        if not self.stretches:
            return Fraction(0)
        track = self._tracks.setdefault(index, Track())
        place = time + self._nearest(track, time, steady)
        if track.end is not None and not track.is_next(place) and self._is_astray(place, track, steady):
            track.stray = track.stray if track.strays else time
            track.strays += 1
            place = track.end if steady else max(track.end, self._now)
        else:
            track.distance, track.offset = place - self._now, place - time
        track.end = place + duration
        return place - time

    def _nearest(self, track: Track, time: Fraction, steady: bool) -> Fraction:
        """The offset of a stretch nearby: streams do not change over in the same place of the file."""
        if steady and track.is_next(time + track.offset):
            return track.offset
        near = [each.offset for each in self.stretches[max(0, self._at - 1) : self._at + 2]]
        following = [each for each in near if track.is_next(time + each)] if steady else []
        aim = track.end if following and track.end is not None else self._now
        return min(following or near, key=lambda each: abs(time + each - aim))

    def _is_astray(self, place: Fraction, track: Track, steady: bool) -> bool:
        nexts = self.stretches[self._at + 1 : self._at + 2]
        nows = [self._now, *(each.begin + each.offset for each in nexts)]
        return all(abs(place - now - track.distance) > (_STRAY if steady else _SPARSE) for now in nows)

    def remarks(self) -> list[str]:
        """What was moved, one line each."""
        found = []
        for before, here in pairwise(self.stretches):
            at = float(here.begin + here.offset)
            if here.offset < 0:
                found.append(
                    f"the pictures' time leaps to {float(here.begin):.3f} s and back; they are put at {at:.3f} s"
                )
            elif before.offset >= 0 and here.offset != before.offset:
                found.append(
                    f"the clock jumps from {float(before.end):.3f} to {float(here.begin):.3f} s; sound and subtitles "
                    f"are moved with the pictures, which go on at {at:.3f} s"
                )
        for index, track in self._tracks.items():
            if track.strays:
                packets = "1 packet is" if track.strays == 1 else f"{track.strays} packets are"
                found.append(
                    f"stream {index}: {packets} far from the pictures (at {float(track.stray):.3f} s) and put behind "
                    "the one before"
                )
        return found
