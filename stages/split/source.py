"""The frames of a source in order of presentation, each with its timestamp, whatever state the file is in."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av

from stages.contract import ItemError
from stages.media.ffv1 import repack
from stages.media.probe import VideoFacts
from stages.split.deinterlace import Deinterlacer, Mode

_HIDDEN_PICTURES = ("vp8", "vp9", "av1", "libdav1d", "libvpx", "libvpx-vp9")


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
    """

    def __init__(self, facts: VideoFacts) -> None:
        self._nominal = 1 / (facts.rate * facts.time_base)
        self._start = facts.start or 0
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
        good = pts is not None and (self._last is None or pts > self._last)
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


class SourceReader:
    """Decodes the video stream of an open container once, front to back.

    Attributes:
        errors: packets that gave no picture, pictures that were decoded only in part, and a container that broke off;
            complete when all frames have been read.
        frames: frames read so far.
    """

    def __init__(self, container: Any, facts: VideoFacts, name: str, mode: Mode) -> None:
        self.errors = 0
        self.frames = 0
        self._container = container
        self._facts = facts
        self._name = name
        self._stream = container.streams[facts.index]
        self._stream.thread_type = "SLICE"  # frame threads may conceal damage differently from run to run
        self._deinterlacer = Deinterlacer(mode)
        self._stamper = Stamper(facts)
        self._by_packet = facts.format == "avi"  # AVI knows no presentation times: frame n is shown when packet n is
        self._packets: list[int] = []
        self._stamps: deque[Stamp] = deque()
        self._broken = False
        self._silent = 0
        self._fields = False
        self._form: tuple[int, int, str] | None = None

    @property
    def nominal(self) -> int:
        """Ticks of one frame at the nominal rate."""
        return self._stamper.nominal

    @property
    def sar(self) -> Fraction:
        """Sample aspect ratio: the container's, else the one that the decoder met, else 1."""
        return Fraction(self._stream.sample_aspect_ratio or self._stream.codec_context.sample_aspect_ratio or 1)

    def __iter__(self) -> Iterator[tuple[av.VideoFrame, Stamp]]:
        for picture in self._decoded():
            self._stamps.append(self._stamp(picture))
            for done in self._deinterlacer.add(self._checked(repack(picture))):
                yield self._finished(done)
        for done in self._deinterlacer.finish():
            yield self._finished(done)

    def _finished(self, picture: av.VideoFrame) -> tuple[av.VideoFrame, Stamp]:
        self.frames += 1
        return picture, self._stamps.popleft()

    def _decoded(self) -> Iterator[av.VideoFrame]:
        for packet in self._demuxed():
            if self._by_packet and packet.dts is not None and packet.size:
                heapq.heappush(self._packets, packet.dts)
            self._silent += bool(packet.size and not packet.is_discard)
            try:
                pictures = packet.decode()
            except av.error.FFmpegError:
                self._forget(packet.dts)
            else:
                yield from self._counted(pictures)
        if self._broken:
            yield from self._counted(self._stream.decode(None))
        # A packet may hold one field only, or a picture that is never shown; else each one gives a picture.
        if not self._fields and self._facts.codec not in _HIDDEN_PICTURES:
            self.errors += max(0, self._silent)

    def _counted(self, pictures: list[av.VideoFrame]) -> Iterator[av.VideoFrame]:
        for picture in pictures:
            self._silent -= 1
            self._fields = self._fields or picture.interlaced_frame
            self.errors += bool(picture.is_corrupt)
            yield picture

    def _forget(self, dts: int | None) -> None:
        if dts in self._packets:
            self._packets.remove(dts)
            heapq.heapify(self._packets)

    def _demuxed(self) -> Iterator[Any]:
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except av.error.FFmpegError:
                self.errors += 1
                self._broken = True
                return
            if packet is None:
                return
            yield packet

    def _stamp(self, picture: av.VideoFrame) -> Stamp:
        pts = picture.pts
        if self._by_packet:
            pts = heapq.heappop(self._packets) if self._packets else None
        return self._stamper.stamp(pts, picture.duration or 0)

    def _checked(self, picture: av.VideoFrame) -> av.VideoFrame:
        form = (picture.width, picture.height, picture.format.name)
        if self._form is None:
            self._form = form
        elif form != self._form:
            before, after = (f"{w}x{h} {name}" for w, h, name in (self._form, form))
            raise ItemError(
                f"{self._name}: frame {self.frames} changes from {before} to {after}; cut the video there, "
                "restore the parts"
            )
        return picture
