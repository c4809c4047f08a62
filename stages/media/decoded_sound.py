"""Sound that Matroska cannot hold as it is coded, but whose very samples it can: LPCM of DVD and Blu-ray, SMPTE 302M,
IMA4 and other PCM and ADPCM. Its decoders only move bytes or reckon with whole numbers: every machine has the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from stages.contract import ItemError
from stages.media.demuxing import demux, open_every_stream

FLOATS = {"pcm_f32be": "pcm_f32le", "pcm_f64be": "pcm_f64le"}
"""Codecs of floating point -> what Matroska holds of the same samples."""
_INTEGERS = {"u8": "pcm_u8", "s16": "pcm_s16le"}
_UNNAMED = ("s302m",)
"""Codecs whose channels have no names, whatever FFmpeg calls them."""
_UNDECODABLE = (av.error.InvalidDataError, av.error.PatchWelcomeError, av.error.ArgumentError)
_SIDES = {"SL": "BL", "SR": "BR"}
_SHORTEST = Fraction(1, 50)
"""Seconds of a packet of PCM; IMA4 has packets of 64 samples, of which Matroska's clock could not tell the length."""
_APART = Fraction(1, 500)
"""Seconds between packets that follow each other: clocks of containers are rounded to a millisecond, at worst."""


class UnfitError(ItemError):
    """The samples of a stream cannot be kept. The end of a sentence, or nothing."""


@dataclass(frozen=True, slots=True)
class SampleForm:
    """How samples are written.

    Attributes:
        codec: FFmpeg's name of little-endian PCM, channels interleaved: ``pcm_u8``, ``pcm_s16le``, ``pcm_s24le``,
            ``pcm_s32le``, ``pcm_f32le``, ``pcm_f64le``.
        rate: sampling frequency in Hz.
        channels: how many.
    """

    codec: str
    rate: int
    channels: int


def sample_form(path: Path, index: int, whole: bool = False) -> SampleForm:
    """The form in which a stream's samples are kept.

    Args:
        path: the video.
        index: of its audio stream.
        whole: decode all of it, not just its beginning.

    Raises:
        UnfitError: they cannot be kept.
    """
    form = None
    with open_every_stream(path) as container:
        stream = container.streams[index]
        if stream.codec_context is None or not _is_exact(stream.codec_context.name):
            raise UnfitError
        decoder = Decoder()
        try:
            for packet in demux(container, stream):
                for _ in decoder.add(packet):
                    pass
                form = decoder.form
                if form is not None and not whole:
                    break
        except av.error.FFmpegError:  # it breaks off, and so will every other reading
            pass
    if form is None:
        raise UnfitError(", and none of it can be decoded")
    return form


def told(index: int, codec: str, form: SampleForm) -> str:
    """What is said of a stream that is kept so, in one line."""
    return f"stream {index}: {codec} cannot be held by Matroska; kept as {form.codec}, the same samples"


def _is_exact(codec: str) -> bool:
    return codec in ("s302m", "mace3", "mace6") or codec.startswith(("pcm_", "adpcm_")) or codec.endswith("_dpcm")


class Decoder:
    """Makes packets of PCM of the packets of one stream, in order; holds one packet of PCM at a time.

    What an edit list skips, and what only primes the decoder, is not among them.

    Attributes:
        form: of the samples; None before the first.
        failed: packets that cannot be decoded.
        first_failed: seconds at which the first of them is.
    """

    def __init__(self) -> None:
        self.form: SampleForm | None = None
        self.failed = 0
        self.first_failed = Fraction(0)
        self._facts = "", 0, ""  # FFmpeg's names of sample format and layout, with the sampling frequency between
        self._held: list[bytes] = []
        self._samples = 0
        self._pts: int | None = None
        self._time_base = Fraction(1)

    def add(self, packet: Any) -> Iterator[av.Packet]:
        """Take one packet of the source; yield those of PCM that are complete.

        Raises:
            UnfitError: the sound has another form than before, or one that cannot be kept.
        """
        for frame in self._decode(packet):
            facts = frame.format.name, frame.sample_rate, frame.layout.name
            if self.form is None:
                self.form, self._facts = _form(packet.stream.codec_context.name, frame), facts
            if facts != self._facts:
                raise UnfitError(f", and it changes from {_text(self._facts)} to {_text(facts)}{_at(frame)}")
            if self._held and not self._goes_on(frame):
                yield self._packet(self.form)
            if not self._held:
                self._pts, self._time_base = frame.pts, frame.time_base
            self._held.append(samples_of(frame, self.form))
            self._samples += frame.samples

    def rest(self) -> Iterator[av.Packet]:
        """The last packet of PCM, if there is one."""
        if self.form is not None and self._held:
            yield self._packet(self.form)

    def _decode(self, packet: Any) -> list[Any]:
        try:
            return list(packet.decode())
        except _UNDECODABLE:
            if not self.failed and packet.pts is not None:
                self.first_failed = packet.pts * packet.time_base
            self.failed += 1
            return []

    def _goes_on(self, frame: Any) -> bool:
        """Whether a frame goes into the packet that is held."""
        length = Fraction(self._samples, frame.sample_rate)
        if length >= _SHORTEST:
            return False
        if frame.pts is None or self._pts is None:
            return frame.pts is None
        return abs(frame.pts * frame.time_base - self._pts * self._time_base - length) <= _APART

    def _packet(self, form: SampleForm) -> av.Packet:
        packet = av.Packet(b"".join(self._held))
        packet.time_base = self._time_base
        packet.pts = packet.dts = self._pts
        packet.duration = round(Fraction(self._samples, form.rate) / self._time_base)
        packet.is_keyframe = True
        self._held, self._samples = [], 0
        return packet


def _form(codec: str, frame: Any) -> SampleForm:
    kind = frame.format.packed.name
    kept = FLOATS.get(codec, _INTEGERS.get(kind, ""))
    if kind == "s32":
        kept = "pcm_s32le" if codec.startswith(("pcm_s32", "pcm_u32")) else "pcm_s24le"
    if not kept:
        raise UnfitError
    if codec not in _UNNAMED and not _is_usual(frame.layout):
        raise UnfitError(f", whose PCM has no place for its channel layout {frame.layout.name}")
    return SampleForm(kept, frame.sample_rate, frame.layout.nb_channels)


def _is_usual(layout: av.AudioLayout) -> bool:
    """Whether players take so many channels for these: Matroska has no names for those of PCM.

    Players tell surrounds beside the listener from those behind only where there are both.
    """
    usual = av.AudioLayout(f"{layout.nb_channels}c")
    names, wanted = ([channel.name for channel in each.channels] for each in (layout, usual))
    return set(names) == {"NONE"} or wanted in (names, [_SIDES.get(name, name) for name in names])


def samples_of(frame: Any, form: SampleForm) -> bytes:
    """The samples of a decoded frame, in a form.

    Raises:
        UnfitError: they have more bits.
    """
    array = frame.to_ndarray()
    if frame.format.is_planar:
        array = array.T
    data = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    if form.codec != "pcm_s24le":
        return data.tobytes()
    parts = data.view(np.uint8).reshape(-1, 4)
    if parts[:, 0].any():
        raise UnfitError(f", and its samples have more than 24 bits{_at(frame)}")
    return parts[:, 1:].tobytes()


def _text(facts: tuple[str, int, str]) -> str:
    kind, rate, layout = facts
    return f"{rate} Hz, {kind}, {layout}"


def _at(frame: Any) -> str:
    return "" if frame.pts is None else f" at {float(frame.pts * frame.time_base):.3f} s"
