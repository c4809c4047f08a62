"""Pictures of which a player shows a part: the clean aperture of QuickTime, by hand, as ffmpeg writes none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from edit_lists import box, boxes

_INTO = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"mp4v")
_BEFORE = {b"stsd": 8, b"mp4v": 78}
"""Bytes of a box before the boxes in it."""


def clean_aperture(width: int, height: int, right: int = 0, down: int = 0) -> Callable[[Path], None]:
    """Give a video of MPEG-4 in MOV, whose index comes last, a clean aperture, so far from its middle."""
    numbers = (width, 1, height, 1, right, 1, down, 1)
    clap = box(b"clap", b"".join(each.to_bytes(4, "big", signed=True) for each in numbers))

    def write(path: Path) -> None:
        parts = boxes(path.read_bytes())
        assert parts[-1][0] == b"moov"
        path.write_bytes(b"".join(box(k, _within(b, _INTO[1:], clap) if k == b"moov" else b) for k, b in parts))

    return write


def _within(body: bytes, into: tuple[bytes, ...], new: bytes, skipped: int = 0) -> bytes:
    if not into:
        return body + new
    rest = (
        box(kind, _within(inner, into[1:], new, _BEFORE.get(kind, 0)) if kind == into[0] else inner)
        for kind, inner in boxes(body[skipped:])
    )
    return body[:skipped] + b"".join(rest)
