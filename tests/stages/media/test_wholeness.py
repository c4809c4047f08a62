"""What a file lacks of what its own structure announces."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.media.wholeness import missing_bytes

FTYP = b"\x00\x00\x00\x10ftypisom\x00\x00\x00\x00"
MDAT = b"\x00\x00\x00\x20mdat" + bytes(24)

ASF, PROPERTIES = "3026b2758e66cf11a6d900aa0062ce6c", "a1dcab8c47a9cf118ee400c00c205365"


def asf(size: int, flags: int = 0) -> bytes:
    """A header (ASF specification, 3.1) with another object before its File Properties (3.2); 158 bytes."""
    other = bytes(16) + (24).to_bytes(8, "little")
    told = bytes(16) + size.to_bytes(8, "little") + bytes(40) + flags.to_bytes(4, "little") + bytes(12)
    objects = other + bytes.fromhex(PROPERTIES) + (104).to_bytes(8, "little") + told
    return bytes.fromhex(ASF) + (30 + len(objects)).to_bytes(8, "little") + b"\2\0\0\0\1\2" + objects


@pytest.mark.parametrize(
    ("content", "missing"),
    [
        (FTYP + MDAT, 0),
        (FTYP + MDAT[:-5], 5),
        (FTYP + MDAT + b"\x00\x00\x00", 5),  # ends within the header of a box
        (FTYP + b"\x00\x00\x00\x00mdat" + bytes(9), 0),  # to the end of the file
        (FTYP + b"\x00\x00\x00\x01mdat" + (32).to_bytes(8, "big") + bytes(10), 6),
        (FTYP + MDAT + b"TAGDas Fest".ljust(128, b"\x00"), 0),  # ID3v1, which some programs put behind everything
        (FTYP + MDAT + b"\x00\x00\x00\x20moof" + bytes(20), 4),
        (FTYP + MDAT + b"\x00\x00\x00\x10Xtra" + bytes(8) + MDAT[:-5], 5),
        (b"RIFF\x14\x00\x00\x00AVI " + bytes(16), 0),
        (b"RIFF\x14\x00\x00\x00AVI " + bytes(10), 6),
        (b"RIFF\xff\xff\xff\xffAVI " + bytes(16), 0),  # written where nobody could come back to say how long it is
        (asf(158), 0),
        (asf(200), 42),
        (asf(200, flags=1), 0),  # a broadcast, whose size nobody knew
        (asf(200)[:60], 0),  # ends before it says how long it is
        (b"", 0),
        (b"no container", 0),
    ],
)
def test_what_is_announced_and_not_there_is_missing(tmp_path: Path, content: bytes, missing: int) -> None:
    (tmp_path / "a").write_bytes(content)
    assert missing_bytes(tmp_path / "a") == missing
