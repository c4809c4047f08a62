"""One stream that is copied, and what is noted of it on the way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from stages.assemble.audio_digest import AudioDigest, PacketDigest
from stages.media.decoded_sound import Decoder
from stages.wording import counted

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

    def remarks(self) -> Iterator[str]:
        """What is not as the source says, one line each; complete when all packets have been read."""
        if self.late > _TOLD:
            yield (
                f"stream {self.index}: its times go back by up to {self.late / 1000:.3f} s; they are put "
                "at the time of the one before"
            )
        yield from (f"stream {self.index}: {change}" for change in self.digest.changes)
        if self.decoder is not None and self.decoder.failed:
            yield (
                f"stream {self.index}: {counted(self.decoder.failed, 'packet')} of {self.codec} cannot be decoded, "
                f"the first at {float(self.decoder.first_failed):.3f} s; nothing is heard there"
            )
