"""Digests of audio: whether the finished file holds the very packets of its source."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stages.assemble.presented import presented
from stages.media.demuxing import demux, open_every_stream


class PacketDigest:
    """Count and SHA-256 of an audio stream's packets, each with its length.

    AAC in MPEG-TS carries a header (ADTS) before every packet, which Matroska keeps once for the whole stream; it is
    left out of the digest, so that equal digests mean equal audio.
    """

    def __init__(self) -> None:
        self.count = 0
        self._hash = hashlib.sha256()

    def add(self, packet: Any, codec: str) -> None:
        """Add one packet."""
        data = bytes(packet)
        if codec.startswith("aac") and len(data) > 7 and data[0] == 0xFF and data[1] & 0xF6 == 0xF0:
            data = data[7 if data[1] & 1 else 9 :]
        self.count += 1
        self._hash.update(len(data).to_bytes(8, "little"))
        self._hash.update(data)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PacketDigest) and (self.count, self.hex) == (other.count, other.hex)

    __hash__ = None  # type: ignore[assignment]

    @property
    def hex(self) -> str:
        """The digest so far."""
        return self._hash.hexdigest()


def audio_digests(source: Path, streams: Sequence[int]) -> list[PacketDigest]:
    """Digests of a video's audio streams, given by their indices, as far as the file can be read."""
    if not streams:
        return []
    digests = {index: PacketDigest() for index in streams}
    with open_every_stream(source) as container:
        for packet in presented(demux(container, [container.streams[index] for index in streams])):
            digests[packet.stream.index].add(packet, packet.stream.codec_context.name)
    return list(digests.values())
