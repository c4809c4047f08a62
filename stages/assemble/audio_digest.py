"""Digests of audio: whether the finished file holds the very packets of its source, or the very samples."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stages.assemble.presented import presented
from stages.media.decoded_sound import SampleForm
from stages.media.demuxing import demux, open_every_stream
from stages.wording import counted

_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350, 0, 0, 0)
"""Sampling frequencies of ADTS (ISO/IEC 14496-3, table 1.18)."""
_MOST_CHANGES = 5
NEW_FORM = "new_extradata"
"""FFmpeg's name for a configuration of the decoder that comes with a packet."""
_SAMPLE_RATE = 4
"""FFmpeg's AV_SIDE_DATA_PARAM_CHANGE_SAMPLE_RATE."""


def is_adts(data: bytes) -> bool:
    """Whether a packet begins with the header of ADTS (ISO/IEC 14496-3, 1.A.2.2): syncword, layer 0."""
    return len(data) > 7 and data[0] == 0xFF and data[1] & 0xF6 == 0xF0


class PacketDigest:
    """Count and SHA-256 of an audio stream's packets, each with its length.

    AAC in MPEG-TS carries a header (ADTS) before every packet, which Matroska keeps once for the whole stream; it is
    left out of the digest, so that equal digests mean equal audio.

    Attributes:
        changes: where those headers, or the container, say something else than before, the first few, as text: players
            of Matroska will not know it.
    """

    def __init__(self) -> None:
        self.count = 0
        self.changes: list[str] = []
        self._form = ""
        self._rate = 0
        self._configuration = b""
        self._hash = hashlib.sha256()

    def add(self, packet: Any, codec: str) -> None:
        """Add one packet."""
        data = bytes(packet)
        if packet.has_sidedata("param_change"):
            self._note_rate(packet)
        if packet.has_sidedata(NEW_FORM):
            self._note_configuration(packet)
        if codec.startswith("aac") and is_adts(data):
            self._note_form(data, packet)
            data = data[7 if data[1] & 1 else 9 :]
        self.count += 1
        self._hash.update(len(data).to_bytes(8, "little"))
        self._hash.update(data)

    def _note_form(self, data: bytes, packet: Any) -> None:
        rate = _RATES[data[2] >> 2 & 15]
        form = f"{rate} Hz (channel configuration {(data[2] & 1) << 2 | data[3] >> 6})"
        if self._form and form != self._form:
            self._note(f"its AAC changes from {self._form} to {form}", packet)
        self._form = form

    def _note_rate(self, packet: Any) -> None:
        """Another sampling frequency (FFmpeg's AV_PKT_DATA_PARAM_CHANGE), as on tapes of DV."""
        flags, rate = struct.unpack_from("<II", bytes(packet.get_sidedata("param_change")).ljust(8, b"\0"))
        before = self._rate or packet.stream.codec_context.sample_rate
        if flags & _SAMPLE_RATE and rate != before:
            self._note(f"it changes from {before} Hz to {rate} Hz", packet)
            self._rate = rate

    def _note_configuration(self, packet: Any) -> None:
        """Another one than before: joined files repeat theirs."""
        told = bytes(packet.get_sidedata(NEW_FORM))
        if told != (self._configuration or packet.stream.codec_context.extradata):
            self._note("its decoder is configured anew", packet)
        self._configuration = told

    def _note(self, change: str, packet: Any) -> None:
        if len(self.changes) < _MOST_CHANGES:
            at = "" if packet.pts is None else f" at {float(packet.pts * packet.time_base):.3f} s"
            self.changes.append(
                f"{change}{at}; Matroska has one form for a stream, so that what follows plays wrongly: listen to the "
                "source"
            )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PacketDigest) and (self.count, self.hex) == (other.count, other.hex)

    __hash__ = None  # type: ignore[assignment]

    @property
    def hex(self) -> str:
        """The digest so far."""
        return self._hash.hexdigest()

    @property
    def told(self) -> str:
        """What was counted, as text."""
        return f"{self.count} packets"

    def like(self, stream: Any) -> PacketDigest:
        """An empty one of the same kind, for a stream of the finished file."""
        return PacketDigest()


class SampleDigest:
    """Count and SHA-256 of an audio stream's samples, in the form in which they are kept: little-endian PCM.

    Attributes:
        count: packets that they are in.
        changes: none, as in ``PacketDigest``; sound that changes is not kept so.
    """

    changes: Sequence[str] = ()

    def __init__(self, form: SampleForm) -> None:
        self.form = form
        self.count = 0
        self._bytes = 0
        self._hash = hashlib.sha256()

    def add(self, packet: Any, codec: str) -> None:
        """Add one packet of PCM."""
        data = bytes(packet)
        self.count += 1
        self._bytes += len(data)
        self._hash.update(data)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SampleDigest) and self._known() == other._known()

    __hash__ = None  # type: ignore[assignment]

    def _known(self) -> tuple[SampleForm, int, int, str]:
        return self.form, self.count, self._bytes, self._hash.hexdigest()

    @property
    def told(self) -> str:
        """What was counted, as text."""
        form = self.form
        return f"{self._bytes} bytes of {form.codec} ({form.rate} Hz, {counted(form.channels, 'channel')})"

    def like(self, stream: Any) -> SampleDigest:
        """An empty one of the same kind, for a stream of the finished file."""
        context = stream.codec_context
        return SampleDigest(SampleForm(context.name, context.sample_rate, context.layout.nb_channels))


AudioDigest = PacketDigest | SampleDigest


def audio_digests(source: Path, streams: Sequence[int]) -> list[PacketDigest]:
    """Digests of a video's audio streams, given by their indices, as far as the file can be read."""
    if not streams:
        return []
    digests = {index: PacketDigest() for index in streams}
    with open_every_stream(source) as container:
        for packet in presented(demux(container, [container.streams[index] for index in streams])):
            digests[packet.stream.index].add(packet, packet.stream.codec_context.name)
    return list(digests.values())
