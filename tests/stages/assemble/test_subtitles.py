"""Subtitles of MP4 (3GPP TS 26.245) as plain text, whatever their bytes are."""

from __future__ import annotations

from fractions import Fraction

import av
import pytest

from stages.assemble.timed_text import plain_text


def read(data: bytes) -> str:
    packet = av.Packet(data)
    packet.time_base = Fraction(1, 1000)
    return bytes(plain_text(packet)).decode()


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("Grüße".encode(), "Grüße"),
        ("Grüße".encode("utf-16"), "Grüße"),
        (b"\xfe\xff\x00A\x00", "A\ufffd"),
        (b"\xff\xfe\x00\xd8", "\ufffd"),
        (b"gr\xfc\xdfe", "gr\ufffd\ufffde"),
        (b"", ""),
    ],
)
def test_text_is_read_as_far_as_it_is_text(raw: bytes, text: str) -> None:
    styles = b"\x00\x00\x00\x0cstyl\x00\x00\x00\x00"
    assert read(len(raw).to_bytes(2, "big") + raw + styles) == text


@pytest.mark.parametrize("data", [b"", b"\x00", b"\x00\x20ab"])
def test_a_cut_packet_gives_what_it_has(data: bytes) -> None:
    assert read(data) == data[2:].decode()
