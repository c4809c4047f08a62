"""The pictures of a source in order of presentation, each with its timestamp, and account of what cannot be read."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
from av.codec.context import Flags

from stages.media.account import Damage
from stages.media.demuxing import demux
from stages.media.ffv1 import repack
from stages.media.probe import VideoFacts
from stages.split.form import Form, Turn, raster_of, tags_of, turn_of
from stages.split.shapes import Shapes
from stages.split.timestamps import LOOK_AHEAD, Stamp, Stamper

_HIDDEN_PICTURES = ("vp8", "vp9", "av1", "libdav1d", "libvpx", "libvpx-vp9")
_HOLDING_ONE = ("mpeg4", "mpeg2video", "mpeg1video")
"""Decoders that keep back one picture where there are B frames, and none elsewhere."""
_FIELD_PACKETS = ("h264", "mpeg2video")
"""Codecs of which a packet may hold one field only."""
_COUNTED = ("dirac",)
"""Raw streams that FFmpeg reads with the numbers of their pictures for timestamps, one tick from each to the next."""
_DIRAC_HEADER = 13
"""Bytes of a parse info header (SMPTE ST 2042-1, 10.5), which stands alone at the end of a sequence."""
_MOST_DAMAGE = 1000


@dataclass(frozen=True, slots=True)
class _Decoded:
    """A picture that waits for its timestamp, with its own timestamp, sample aspect ratio and number."""

    picture: av.VideoFrame
    pts: int | None
    sar: Fraction | None
    number: int


class PictureReader:
    """Decodes the video stream of an open container once, front to back.

    Attributes:
        damage: packets that gave no picture, pictures that were decoded only in part, and a container that broke off;
            complete when all frames have been read.
        errors: how many of those there were; ``damage`` holds the first thousand.
        frames: frames decoded so far, a few more than have been given.
        form: of the frame that was given last, as it says itself.
        turn: of the first frame.
    """

    form: Form
    turn: Turn

    def __init__(self, container: Any, facts: VideoFacts, begin: int | None = None) -> None:
        self.damage: list[Damage] = []
        self.errors = 0
        self.frames = 0
        self._container = container
        self._facts = facts
        self._stream = container.streams[facts.index]
        self._stream.thread_type = "SLICE"  # frame threads may conceal damage differently from run to run
        self._stream.codec_context.flags |= Flags.unaligned  # else columns cropped at the left would stay
        self._shapes = Shapes(self._stream, facts.format)
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
        ahead: deque[_Decoded] = deque()
        for picture in self._decoded():
            if not self.frames:
                self.turn = turn_of(picture)
            ahead.append(_Decoded(picture, self._shown(picture), self._shapes.of(picture), self.frames))
            self.frames += 1
            if len(ahead) > LOOK_AHEAD:
                yield self._stamped(ahead)
        while ahead:
            yield self._stamped(ahead)

    def _stamped(self, ahead: deque[_Decoded]) -> tuple[av.VideoFrame, Stamp]:
        this = ahead.popleft()
        stamp = self._stamper.stamp(this.pts, this.picture.duration or 0, [later.pts for later in ahead])
        if this.picture.is_corrupt:
            self._report("this frame is damaged", stamp.pts, this.number)
        picture = repack(this.picture)
        self.form = Form(raster_of(picture), this.sar, tags_of(this.picture))
        return picture, stamp

    def _shown(self, picture: av.VideoFrame) -> int | None:
        if self._facts.format in _COUNTED:
            return None
        if not self._by_packet:
            return picture.pts
        while self._packets and self._lost(self._packets[0], picture):
            heapq.heappop(self._packets)
        return heapq.heappop(self._packets) if self._packets else None

    def _lost(self, first: int, picture: av.VideoFrame) -> bool:
        """Whether the first of the packets gave no picture, so that ``picture`` comes later: its time has passed."""
        codec, context = self._facts.codec, self._stream.codec_context
        if self._fields and codec in _FIELD_PACKETS:
            return False
        if not context.codec.delay or codec in _HOLDING_ONE or (codec == "h264" and not context.has_b_frames):
            held = int(context.codec.delay and context.has_b_frames)
            return len(self._packets) > held + 1
        return bool(picture.key_frame) and picture.pts is not None and first < picture.pts

    def _decoded(self) -> Iterator[av.VideoFrame]:
        for packet in self._demuxed():
            if not packet.size and packet.pts is not None:
                continue  # Theora: the picture before stays
            if self._by_packet and packet.dts is not None and packet.size:
                heapq.heappush(self._packets, packet.dts)
                packet.pts = packet.dts  # so that a picture says which packet it is from
            if packet.size and not packet.is_discard and not self._is_header(packet):
                self._silent += 1
                if packet.pts is not None:
                    self._awaited[packet.pts] = self.frames
            try:
                pictures = packet.decode()
            except av.error.FFmpegError:
                self._failed(packet)
            else:
                self._shapes.met(packet)
                yield from self._counted(pictures)
        if self._broken:
            yield from self._counted(self._stream.decode(None))
        self._report_silent()

    def _is_header(self, packet: Any) -> bool:
        return self._facts.codec == "dirac" and packet.size == _DIRAC_HEADER

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
