"""One stream that is copied, and what is noted of it on the way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import av

from stages.assemble.audio_digest import NEW_FORM, AudioDigest, PacketDigest, is_adts
from stages.media.decoded_sound import Decoder
from stages.wording import counted

_ADTS = ("mpegts", "mpeg")
"""Containers whose AAC carries ADTS."""
_TOLD = 100  # milliseconds; a packet may be put off by less without a word


@dataclass
class Copied:
    """A stream of the source, ``source``, and where it goes."""

    source: Any
    index: int  # of the source's stream
    audio: bool
    codec: str
    target: Any = None
    position: int = -1  # index of the finished file's stream; PyAV's own objects die with their containers
    lead: int = 0  # ticks by which packets are written later, because CodecDelay takes them back
    codec_delay: int | None = None  # nanoseconds, to be written into the header
    last: int | None = None
    late: int = 0  # ticks by which a packet was put off, at most
    digest: AudioDigest = field(default_factory=PacketDigest)
    decoder: Decoder | None = None  # of sound that is kept as samples
    headless: int = 0  # packets of ADTS that have lost their header, and are left out
    first_headless: float = 0.0  # seconds

    def takes(self, packet: Any) -> bool:
        """Whether a packet of sound can be written.

        AAC of MPEG-TS and program streams has an ADTS header before every packet, which tells what Matroska must know;
        FFmpeg refuses the whole stream for one packet where a fault of the transmission has hit it.
        """
        if self.codec != "aac" or self.source.container.format.name not in _ADTS or is_adts(bytes(packet)):
            return True
        if not self.headless and packet.pts is not None:
            self.first_headless = float(packet.pts * packet.time_base)
        self.headless += 1
        return False

    def remarks(self) -> Iterator[str]:
        """What is not as the source says, one line each; complete when all packets have been read."""
        if self.late > _TOLD:
            yield (
                f"stream {self.index}: its times go back by up to {self.late / 1000:.3f} s; they are put "
                "at the time of the one before"
            )
        yield from (f"stream {self.index}: {change}" for change in self.digest.changes)
        if self.headless:
            yield (
                f"stream {self.index}: {counted(self.headless, 'packet')} of AAC without a header, the first at "
                f"{self.first_headless:.3f} s; nothing is heard there"
            )
        if self.decoder is not None and self.decoder.failed:
            yield (
                f"stream {self.index}: {counted(self.decoder.failed, 'packet')} of {self.codec} cannot be decoded, "
                f"the first at {float(self.decoder.first_failed):.3f} s; nothing is heard there"
            )


def without_new_form(packet: Any) -> Any:
    """The packet, without the configuration that it brings along for the decoder.

    FFmpeg's writer of Matroska would put that into the header that it has written, over what stands behind it.
    """
    if not packet.has_sidedata(NEW_FORM):
        return packet
    found = av.Packet(bytes(packet))
    found.pts, found.dts, found.time_base = packet.pts, packet.dts, packet.time_base
    found.duration, found.is_keyframe = packet.duration, packet.is_keyframe
    for each in packet.iter_sidedata():
        if each.data_type != NEW_FORM:
            found.set_sidedata(each)
    return found
