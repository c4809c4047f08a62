"""Edit lists of MP4 files, made by hand: ffmpeg writes only those that it needs itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path


def edited(*edits: tuple[float, float]) -> Callable[[Path], None]:
    """Give all tracks of an MP4, whose index comes last, these edits: so many seconds, from which second (-1: none)."""

    def write(path: Path) -> None:
        parts = boxes(path.read_bytes())
        assert parts[-1][0] == b"moov"
        path.write_bytes(b"".join(box(k, _edited_movie(b, edits) if k == b"moov" else b) for k, b in parts))

    return write


def boxes(data: bytes) -> list[tuple[bytes, bytes]]:
    """Kinds and bodies of boxes that follow each other (ISO/IEC 14496-12)."""
    found, at = [], 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        found.append((data[at + 4 : at + 8], data[at + 8 : at + size]))
        at += size
    return found


def box(kind: bytes, body: bytes) -> bytes:
    """A box of a kind around a body."""
    return (len(body) + 8).to_bytes(4, "big") + kind + body


def _edited_movie(movie: bytes, edits: tuple[tuple[float, float], ...]) -> bytes:
    parts = boxes(movie)
    scale = int.from_bytes(dict(parts)[b"mvhd"][12:16], "big")
    return b"".join(box(k, _edited_track(b, scale, edits) if k == b"trak" else b) for k, b in parts)


def _edited_track(track: bytes, scale: int, edits: tuple[tuple[float, float], ...]) -> bytes:
    parts = dict(boxes(track))
    own = int.from_bytes(dict(boxes(parts[b"mdia"]))[b"mdhd"][12:16], "big")
    before = dict(boxes(parts.pop(b"edts", b"")))
    delay = int.from_bytes(before[b"elst"][12:16], "big") if before else 0  # what ffmpeg skips: priming, reordering
    rows = b""
    for seconds, start in edits:
        rows += round(seconds * scale).to_bytes(4, "big")
        rows += (-1 if start < 0 else delay + round(start * own)).to_bytes(4, "big", signed=True) + b"\0\1\0\0"
    parts[b"edts"] = box(b"elst", bytes(4) + len(edits).to_bytes(4, "big") + rows)
    order = [b"tkhd", b"edts", *(kind for kind in parts if kind not in (b"tkhd", b"edts"))]
    return b"".join(box(kind, parts[kind]) for kind in order)
