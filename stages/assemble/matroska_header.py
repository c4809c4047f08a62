"""Facts that the muxer cannot be told through PyAV, written into the header of a finished Matroska file.

The display aspect ratio of the video, what of its pictures is not shown, the order of its fields where it is
interlaced, and CodecDelay of audio, the samples at the start that exist only to prime the decoder. FFmpeg leaves gaps
in the header; the track entries are written anew without them and the rest is padded, so that nothing after the header
moves. Identifiers: RFC 9559; encoding: RFC 8794.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from stages.media.cropping import Crop

_SEGMENT, _TRACKS, _TRACK_ENTRY, _VIDEO = b"\x18\x53\x80\x67", b"\x16\x54\xae\x6b", b"\xae", b"\xe0"
_DISPLAY_WIDTH, _DISPLAY_HEIGHT, _DISPLAY_UNIT, _CODEC_DELAY = b"\x54\xb0", b"\x54\xba", b"\x54\xb2", b"\x56\xaa"
_CROPS = {"bottom": b"\x54\xaa", "top": b"\x54\xbb", "left": b"\x54\xcc", "right": b"\x54\xdd"}
_NAME = b"\x53\x6e"
_FLAG_INTERLACED, _FIELD_ORDER = b"\x9a", b"\x9d"
_ORDERS = {"tff": 9, "bff": 14, "": 2}
"""FieldOrder of RFC 9559, section 5.1.4.1.28.2: fields woven into one picture, of which the top or the bottom one is
displayed first, or undetermined. Its labels "bff(swapped)" of 9 and "tff(swapped)" of 14 say the opposite of its
definitions; FFmpeg and mkvtoolnix go by these."""
_VOID, _CRC32, _CLUSTER = b"\xec", b"\xbf", b"\x1f\x43\xb6\x75"
_HEADER_LIMIT = 1 << 24


@dataclass(frozen=True, slots=True)
class TrackFacts:
    """What to write for one track.

    Attributes:
        display: width and height as shown, of a video track.
        codec_delay: nanoseconds of priming, of an audio track.
        fields: order of a video track whose fields are woven together: "tff", "bff" or "" for unknown.
        crop: what of a video track is not shown. The track must have been written with ``roomy_name``.
    """

    display: tuple[int, int] | None = None
    codec_delay: int | None = None
    fields: str | None = None
    crop: Crop | None = None


def roomy_name(name: str) -> str:
    """A track's name that leaves room in the header for ``TrackFacts.crop``; what is added is taken away again."""
    return name + " " * 40


@dataclass(frozen=True, slots=True)
class _Element:
    id: bytes
    start: int
    body: int
    end: int


def display_size(width: int, height: int, sar: Fraction) -> tuple[int, int] | None:
    """Whole numbers of exactly the shape in which a picture is shown, the nearest to its size; None if that is its own.

    The picture's own height wherever that goes; else both differ by a few samples, as players go by the ratio.
    """
    if sar == 1:
        return None
    shape = Fraction(width, height) * sar
    times = max(1, round(height / shape.denominator))
    return shape.numerator * times, shape.denominator * times


def _size(data: bytes, at: int) -> tuple[int, int]:
    length = 9 - data[at].bit_length()
    return int.from_bytes(data[at : at + length], "big") & ((1 << 7 * length) - 1), length


def _children(data: bytes, start: int, end: int) -> Iterator[_Element]:
    at = start
    while at < end:
        id_length = 9 - data[at].bit_length()
        size, size_length = _size(data, at + id_length)
        body = at + id_length + size_length
        yield _Element(data[at : at + id_length], at, body, body + size)
        at = body + size


def _write(identifier: bytes, body: bytes, size_length: int = 0) -> bytes:
    length = size_length or next(n for n in range(1, 9) if len(body) < (1 << 7 * n) - 1)
    return identifier + ((1 << 7 * length) | len(body)).to_bytes(length, "big") + body


def _uint(identifier: bytes, value: int) -> bytes:
    return _write(identifier, value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big"))


def _kept(data: bytes, parent: _Element, drop: tuple[bytes, ...]) -> bytes:
    return b"".join(data[c.start : c.end] for c in _children(data, parent.body, parent.end) if c.id not in drop)


def _entry(data: bytes, entry: _Element, facts: TrackFacts) -> bytes:
    parts = []
    for child in _children(data, entry.body, entry.end):
        if child.id == _VOID or (child.id == _CODEC_DELAY and facts.codec_delay is not None):
            continue
        if child.id == _VIDEO:
            parts.append(_video(data, child, facts))
        elif child.id == _NAME and facts.crop is not None:
            name = data[child.body : child.end].rstrip(b" ")
            parts.append(_write(_NAME, name) if name else b"")
        else:
            parts.append(data[child.start : child.end])
    if facts.codec_delay is not None:
        parts.append(_uint(_CODEC_DELAY, facts.codec_delay))
    return b"".join(parts)


def _video(data: bytes, video: _Element, facts: TrackFacts) -> bytes:
    drop: tuple[bytes, ...] = ()
    added = b""
    if facts.display is not None:
        drop += (_DISPLAY_WIDTH, _DISPLAY_HEIGHT, _DISPLAY_UNIT)
        added += _uint(_DISPLAY_WIDTH, facts.display[0]) + _uint(_DISPLAY_HEIGHT, facts.display[1])
    if facts.fields is not None:
        drop += (_FLAG_INTERLACED, _FIELD_ORDER)
        added += _uint(_FLAG_INTERLACED, 1) + _uint(_FIELD_ORDER, _ORDERS[facts.fields])
    if facts.crop is not None:
        added += b"".join(_uint(identifier, getattr(facts.crop, side)) for side, identifier in _CROPS.items())
    return _write(_VIDEO, _kept(data, video, drop) + added)


def _tracks(data: bytes, tracks: _Element, facts: Mapping[int, TrackFacts]) -> bytes:
    """The body of Tracks, of the same length as before."""
    children = [c for c in _children(data, tracks.body, tracks.end) if c.id not in (_VOID, _CRC32)]
    checked = any(c.id == _CRC32 for c in _children(data, tracks.body, tracks.end))
    room = tracks.end - tracks.body - (6 if checked else 0)
    entries = [c for c in children if c.id == _TRACK_ENTRY]
    bodies = [_entry(data, entry, facts.get(index, TrackFacts())) for index, entry in enumerate(entries)]
    written = [_write(_TRACK_ENTRY, body) for body in bodies]
    slack = room - sum(map(len, written))
    if slack == 1:  # a Void takes two bytes at least, a longer size field takes one
        written[0] = _write(_TRACK_ENTRY, bodies[0], len(written[0]) - len(bodies[0]))
        slack = 0
    plain = b"".join(written)
    if slack < 0:
        raise RuntimeError(f"no room in the Matroska header for its tracks ({slack} bytes)")
    if slack:
        plain += _void(slack)
    return (_write(_CRC32, zlib.crc32(plain).to_bytes(4, "little")) if checked else b"") + plain


def _void(length: int) -> bytes:
    return _write(_VOID, bytes(length - 2)) if length < 128 else _write(_VOID, bytes(length - 9), 8)


def amend_tracks(path: Path, facts: Mapping[int, TrackFacts]) -> None:
    """Write ``facts`` (by position of the track) into the Matroska file ``path``, in place.

    Raises:
        RuntimeError: the file's header is not laid out as FFmpeg lays it out.
    """
    with path.open("r+b") as file:
        data = file.read(_HEADER_LIMIT)
        segment = next((e for e in _children(data, 0, len(data)) if e.id == _SEGMENT), None)
        if segment is None:
            raise RuntimeError(f"{path.name}: no Matroska segment")
        for element in _children(data, segment.body, min(segment.end, len(data))):
            if element.id == _TRACKS and element.end <= len(data):
                file.seek(element.body)
                file.write(_tracks(data, element, facts))
                return
            if element.id == _CLUSTER:
                break
    raise RuntimeError(f"{path.name}: no tracks in the Matroska header")
