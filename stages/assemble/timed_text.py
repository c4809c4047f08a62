"""Subtitles of MP4 (3GPP TS 26.245: length, text, styles)."""

from __future__ import annotations

from typing import Any

import av


def is_mov_text(stream: Any) -> bool:
    """Whether a stream is timed text of 3GPP."""
    return stream.codec_context is not None and stream.codec_context.name == "mov_text"


def plain_text(packet: Any) -> Any:
    """A subtitle of MP4 (3GPP TS 26.245: length, text, styles) as SubRip's plain text; empty for a pause."""
    data = bytes(packet)
    raw = data[2 : 2 + int.from_bytes(data[:2], "big")]
    text = raw.decode("utf-16" if raw[:2] in (b"\xfe\xff", b"\xff\xfe") else "utf-8", errors="replace")
    plain = av.Packet(text.encode())
    plain.pts, plain.dts, plain.time_base, plain.duration = packet.pts, packet.dts, packet.time_base, packet.duration
    return plain
