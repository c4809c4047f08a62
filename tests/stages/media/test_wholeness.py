"""What a file lacks of what its own structure announces."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.media.wholeness import missing_bytes

FTYP = b"\x00\x00\x00\x10ftypisom\x00\x00\x00\x00"
MDAT = b"\x00\x00\x00\x20mdat" + bytes(24)


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
        (b"", 0),
        (b"no container", 0),
    ],
)
def test_what_is_announced_and_not_there_is_missing(tmp_path: Path, content: bytes, missing: int) -> None:
    (tmp_path / "a").write_bytes(content)
    assert missing_bytes(tmp_path / "a") == missing
