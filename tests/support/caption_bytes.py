"""User data as it lies in pictures of MPEG-2: closed captions (ATSC A/53 part 4), namely two words of EIA-608 and some
bytes of CEA-708, and active format descriptions."""

from __future__ import annotations

import re
from pathlib import Path

_SLICES = b"\x00\x00\x01\x01"
"""The first slice of a picture of MPEG-2."""


def captions(pictures: int) -> list[bytes]:
    """For each picture two bytes of CEA-608, which say HALLO, WELT from the 9th to the 15th, and three of CEA-708."""
    text = [_odd(first) + _odd(second) for first, second in ("HA", "LL", "O,", " W", "EL", "T\0")]
    load, show, erase = b"\x94\x20", b"\x94\x2f", b"\x94\x2c"
    pairs = [load, b"\x94\x70", *text, show, *[b"\x80\x80"] * 6, erase]
    pairs += [b"\x80\x80"] * (pictures - len(pairs))
    return [b"\xfc" + pair + b"\xff\x02" + bytes([number]) for number, pair in enumerate(pairs[:pictures])]


def _odd(character: str) -> bytes:
    """Seven bits with odd parity."""
    code = ord(character)
    return bytes([code | (0 if code.bit_count() % 2 else 0x80)])


def captioned(path: Path) -> None:
    """Captions in the user data of every picture of a raw MPEG-2 stream (ATSC A/53 part 4)."""
    data = path.read_bytes()
    said = iter(captions(data.count(_SLICES)))

    def user_data(match: re.Match[bytes]) -> bytes:
        return b"\x00\x00\x01\xb2GA94\x03\xc2\xff" + next(said) + b"\xff" + match[0]

    path.write_bytes(re.sub(re.escape(_SLICES), user_data, data))


def with_active_format(path: Path) -> None:
    """An active format description, 4:3 in the middle, in the user data of every picture of a raw MPEG-2 stream
    (ETSI TS 101 154, annex B)."""
    described = b"\x00\x00\x01\xb2DTG1\x41\xf9"
    path.write_bytes(path.read_bytes().replace(_SLICES, described + _SLICES))
