"""The pictures of a source in order of presentation, each with its timestamp, and account of what cannot be read."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import av

from stages.media.account import Damage
from stages.media.demuxing import demux
from stages.media.ffv1 import repack
from stages.media.probe import VideoFacts

_HIDDEN_PICTURES = ("vp8", "vp9", "av1", "libdav1d", "libvpx", "libvpx-vp9")
_MOST_DAMAGE = 1000
_FARTHEST = 10**8
"""Seconds; a timestamp beyond three years is not one."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """When a frame is shown, in ticks; ``duration`` is what the file says, 0 if nothing; ``mended`` if made up."""

    pts: int
    duration: int
    mended: bool


class Stamper:
    """Gives every frame a timestamp later than the one before it.

    A frame without one, or with one that is not later, is placed by the nominal rate after the last good one, and
    marked.

    Attributes:
        begin: where the first frame must be for the first good timestamp to be right, if there are frames without one
            before it; known when that has been met.
    """

    def __init__(self, facts: VideoFacts, begin: int | None = None) -> None:
        self.begin = begin
        self._nominal = 1 / (facts.rate * facts.time_base)
        self._farthest = _FARTHEST / facts.time_base
        self._start = (facts.start or 0) if begin is None else begin
        self._any_good = False
        self._last: int | None = None
        self._anchor = (self._start, -1)
        self._number = -1

    @property
    def nominal(self) -> int:
        """Ticks of one frame at the nominal rate, at least 1."""
        return max(1, round(self._nominal))

    def stamp(self, pts: int | None, duration: int) -> Stamp:
        """The stamp of the next frame, whose own timestamp is ``pts``."""
        self._number += 1
        usable = pts is not None and abs(pts) < self._farthest
        if usable and not self._any_good:
            assert pts is not None
            self._any_good = True
            if self._number and self.begin is None:
                self.begin = pts - round(self._number * self._nominal)
        good = usable and pts is not None and (self._last is None or pts > self._last)
        if good:
            assert pts is not None
            place = pts
            self._anchor = (pts, self._number)
        else:
            anchor, number = self._anchor
            steps = self._number - max(number, 0)
            place = anchor + round(steps * self._nominal)
            if self._last is not None:
                place = max(place, self._last + 1)
        self._last = place
        return Stamp(place, duration, not good)


class PictureReader:
    """Decodes the video stream of an open container once, front to back.

    Attributes:
        damage: packets that gave no picture, pictures that were decoded only in part, and a container that broke off;
            complete when all frames have been read.
        errors: how many of those there were; ``damage`` holds the first thousand.
        frames: frames read so far.
    """

    def __init__(self, container: Any, facts: VideoFacts, begin: int | None = None) -> None:
        self.damage: list[Damage] = []
        self.errors = 0
        self.frames = 0
        self._container = container
        self._facts = facts
        self._stream = container.streams[facts.index]
        self._stream.thread_type = "SLICE"  # frame threads may conceal damage differently from run to run
        self._stamper = Stamper(facts, begin)
        self._by_packet = facts.format == "avi"  # AVI knows no presentation times: frame n is shown when packet n is
        self._packets: list[int] = []
        self._awaited: dict[int, int] = {}
        self._broken = False
        self._silent = 0
        self._fields = False

    @property
    def nominal(self) -> int:
        """Ticks of one frame at the nominal rate."""
        return self._stamper.nominal

    @property
    def begin(self) -> int | None:
        """See ``Stamper``."""
        return self._stamper.begin

    def __iter__(self) -> Iterator[tuple[av.VideoFrame, Stamp]]:
        for picture in self._decoded():
            pts = picture.pts
            if self._by_packet:
                pts = heapq.heappop(self._packets) if self._packets else None
            stamp = self._stamper.stamp(pts, picture.duration or 0)
            if picture.is_corrupt:
                self._report("this frame is damaged", stamp.pts)
            yield repack(picture), stamp
            self.frames += 1

    def _decoded(self) -> Iterator[av.VideoFrame]:
        for packet in self._demuxed():
            if self._by_packet and packet.dts is not None and packet.size:
                heapq.heappush(self._packets, packet.dts)
            if packet.size and not packet.is_discard:
                self._silent += 1
                if packet.pts is not None:
                    self._awaited[packet.pts] = self.frames
            try:
                pictures = packet.decode()
            except av.error.FFmpegError:
                self._failed(packet)
            else:
                yield from self._counted(pictures)
        if self._broken:
            yield from self._counted(self._stream.decode(None))
        self._report_silent()

    def _counted(self, pictures: list[av.VideoFrame]) -> Iterator[av.VideoFrame]:
        for picture in pictures:
            self._silent -= 1
            self._awaited.pop(picture.pts, None)
            self._fields = self._fields or picture.interlaced_frame
            yield picture

    def _failed(self, packet: Any) -> None:
        if packet.size:
            self._silent -= 1
            self._awaited.pop(packet.pts, None)
        if packet.dts in self._packets:
            self._packets.remove(packet.dts)
            heapq.heapify(self._packets)
        self._report("a packet cannot be decoded", packet.pts if packet.pts is not None else packet.dts)

    def _report_silent(self) -> None:
        # A packet may hold one field only, or a picture that is never shown; else each one gives a picture.
        if self._fields or self._facts.codec in _HIDDEN_PICTURES or self._silent <= 0:
            return
        lost = sorted(self._awaited.items())[: self._silent]
        for pts, frame in lost:
            self._report("a packet gave no picture", pts, frame)
        for _ in range(self._silent - len(lost)):
            self._report("a packet gave no picture", None)

    def _report(self, what: str, pts: int | None, frame: int | None = None) -> None:
        self.errors += 1
        if len(self.damage) < _MOST_DAMAGE:
            seconds = None if pts is None else round(float(pts * self._facts.time_base), 6)
            self.damage.append(Damage(frame=self.frames if frame is None else frame, seconds=seconds, what=what))

    def _demuxed(self) -> Iterator[Any]:
        packets = demux(self._container, self._stream)
        last: int | None = None
        while True:
            try:
                packet = next(packets, None)
            except av.error.FFmpegError:
                self._report("the file cannot be read any further", last)
                self._broken = True
                return
            if packet is None:
                return
            last = packet.dts if packet.dts is not None else last
            yield packet
