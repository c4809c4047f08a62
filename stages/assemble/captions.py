"""Closed captions, which live in the pictures (ATSC A/53) and would be lost with them: kept as data and as text.

Their data, EIA-608 and CEA-708 alike, goes into a MacCaption file (``name.mcc``), which broadcasters' tools read.
What the first field of EIA-608 says (CC1, or CC2) becomes a subtitle track of the video, read out by FFmpeg's decoder.
"""

from __future__ import annotations

import errno
import hashlib
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import ffmpeg
from av.stream import Disposition

from stages.assemble.joining import AssemblyError
from stages.assemble.ticks import TICK, to_ticks
from stages.media.ffmpeg import PROTOCOLS, FfmpegError, file_url, run
from stages.media.probe import describe, is_caption_stream, open_video
from stages.split.reading import PictureReader
from stages.split.survey import captions_of

SUFFIX = ".mcc"
_RATES = tuple(Fraction(rate) for rate in ("24", "25", "30000/1001", "30", "50", "60000/1001", "60"))
_RATE_LINE = re.compile(r"Time Code Rate=(\d+)(DF)?\s*$")
_RESERVED, _VALID, _SERVICE = 0xF8, 0x04, 0x02
_NULL = b"\x80\x80"


class CaptionData:
    """What captions hold, padding left out; equal where all of it, and when it is shown, is equal.

    Attributes:
        count: constructs of three bytes: two of data, and what they are.
        services: how many of them are CEA-708, which nothing here can read as text.
    """

    def __init__(self, packets: Iterable[tuple[int, bytes]] = ()) -> None:
        self.count = self.services = 0
        self._hash = hashlib.sha256()
        for place, data in packets:
            self.add(place, data)

    def add(self, place: int, data: bytes) -> None:
        """Add the constructs of one picture, which is at this frame of the time code."""
        for construct in (data[at : at + 3] for at in range(0, len(data) - 2, 3)):
            if not construct[0] & _VALID or construct[1:] == _NULL:
                continue
            self.count += 1
            self.services += bool(construct[0] & _SERVICE)
            self._hash.update(place.to_bytes(8, "little") + bytes([construct[0] | _RESERVED]) + construct[1:])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CaptionData) and self._hash.digest() == other._hash.digest()

    __hash__ = None  # type: ignore[assignment]


def caption_packets(source: Path) -> Iterator[tuple[Fraction, bytes]]:
    """Seconds and constructs (three bytes each) of all pictures with captions, else of a caption track (QuickTime)."""
    with open_video(source) as container:
        facts = describe(container, source.name)
        found = False
        for picture, stamp in PictureReader(container, facts):
            data = captions_of(picture)
            if data:
                found = True
                yield stamp.pts * facts.time_base, data
    if found:
        return
    with open_video(source) as container:
        track = next((stream for stream in container.streams if is_caption_stream(stream)), None)
        for packet in container.demux(track) if track is not None else ():
            if packet.size and packet.pts is not None:
                yield packet.pts * packet.time_base, bytes(packet)


def timecode_rate(rate: Fraction | None) -> Fraction:
    """The rate of the caption file's time code: the video's own if there is such a one, else 60."""
    return rate if rate in _RATES else Fraction(60)


def rate_of(path: Path) -> Fraction:
    """The rate of a MacCaption file's time code, by its header.

    Raises:
        ValueError: it has none.
    """
    with path.open(encoding="ascii", errors="replace") as file:
        found = next((match for line in file if (match := _RATE_LINE.match(line))), None)
    if found is None:
        raise ValueError(f"{path.name}: has no Time Code Rate")
    return Fraction(int(found[1])) * (Fraction(1000, 1001) if found[2] else 1)


def read_captions(path: Path) -> CaptionData:
    """What a MacCaption file holds."""
    rate = rate_of(path)
    with av.open(file_url(path), "r", format="mcc", options={"protocol_whitelist": "file"}) as container:
        packets = (packet for packet in container.demux(container.streams[0]) if packet.size)
        return CaptionData((round(packet.pts * packet.time_base * rate), bytes(packet)) for packet in packets)


def source_captions(source: Path, rate: Fraction, shift: int) -> CaptionData:
    """What the source's captions hold, at the time codes that ``write_captions`` gives them."""
    return CaptionData((_place(seconds, rate, shift), data) for seconds, data in caption_packets(source))


def _place(seconds: Fraction, rate: Fraction, shift: int) -> int:
    return max(0, round((seconds + shift * TICK) * rate))


def write_captions(source: Path, target: Path, rate: Fraction, shift: int) -> CaptionData:
    """Write the captions of a source as a MacCaption file, and read it back.

    Args:
        source: the video.
        target: the file.
        rate: of the time code, see ``timecode_rate``.
        shift: milliseconds that are added to the source's timestamps.

    Raises:
        AssemblyError: the file does not hold what the source holds.
    """
    options = {
        "override_time_code_rate": str(rate),
        "mcc_version": "2" if rate == Fraction(60000, 1001) else "1",
        "creation_program": "Reelift",
        "creation_time": "2000-01-01 00:00:00",  # the same captions give the same bytes
    }
    written = CaptionData()
    with av.open(file_url(target), "w", format="mcc", options=options) as output:
        stream = output.add_mux_stream("eia_608")
        for seconds, data in caption_packets(source):
            packet = av.Packet(data)
            packet.time_base = 1 / rate
            packet.pts = packet.dts = _place(seconds, rate, shift)
            packet.stream = stream
            written.add(packet.pts, data)
            output.mux(packet)
    if read_captions(target) != written:
        raise AssemblyError(f"{target.name}: does not hold the {written.count} captions of {source.name}")
    return written


class Captions:
    """What was kept of a source's captions: their data beside the video, their text as a subtitle track in it.

    Attributes:
        data: what the caption file holds.
        lines: start and duration in milliseconds, and text.
        left_out: what could not be kept, as text.
    """

    def __init__(
        self,
        data: CaptionData | None = None,
        lines: Sequence[tuple[int, int, bytes]] = (),
        left_out: Sequence[str] = (),
    ) -> None:
        self.data = data or CaptionData()
        self.lines = lines
        self.left_out = left_out
        self._stream: Any = None

    @property
    def count(self) -> int:
        """Number of tracks: 1, or 0 where there is no text."""
        return int(bool(self.lines))

    def add_to(self, output: Any) -> None:
        """Make the track."""
        if self.lines:
            self._stream = output.add_mux_stream("subrip")
            self._stream.metadata["title"] = "Closed captions"
            self._stream.disposition = Disposition.hearing_impaired

    def packets(self) -> Iterator[tuple[int, Any]]:
        """(tick by which to interleave, packet ready to be muxed)."""
        for start, duration, text in self.lines:
            packet = av.Packet(text)
            packet.time_base, packet.duration = TICK, duration
            packet.pts = packet.dts = start
            packet.stream = self._stream
            yield start, packet


def keep_captions(source: Path, target: Path, rate: Fraction | None, shift: int) -> Captions:
    """Write the caption file of a source, and read out its text.

    Args:
        source: the video.
        target: the caption file.
        rate: of the video if it is constant.
        shift: milliseconds that are added to the source's timestamps.

    Returns:
        what was kept. Captions are not worth a video: where they cannot be kept, ``left_out`` says why.

    Raises:
        OSError: the disk is full.
    """
    try:
        data = write_captions(source, target, timecode_rate(rate), shift)
        lines = list(_text(target))
    except (AssemblyError, FfmpegError, av.error.FFmpegError, ValueError) as error:
        target.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise  # no fault of the captions
        return Captions(left_out=(f"closed captions: {error}",))
    if not data.count:
        target.unlink()
        return Captions()
    lost = f"the text of {data.services} constructs of CEA-708 captions (their data is in {target.name})"
    return Captions(data, lines, (lost,) if data.services else ())


def _text(captions: Path) -> Iterator[tuple[int, int, bytes]]:
    given = ffmpeg.input(file_url(captions), format="mcc", protocol_whitelist=PROTOCOLS, copyts=None)
    text = run(ffmpeg.output(given, "pipe:", format="srt", **{"c:s": "text"}))
    if not text:
        return
    with av.open(io.BytesIO(text), "r", format="srt") as container:
        for packet in container.demux(container.streams[0]):
            if packet.size:
                start, duration = packet.pts or 0, packet.duration or 0
                yield to_ticks(start, packet.time_base), to_ticks(duration, packet.time_base), bytes(packet)
