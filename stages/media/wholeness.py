"""Whether a file ends before its own structure says so: Matroska's segment, the boxes of MP4, the chunks of RIFF, the
header of ASF.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

_SEGMENT = b"\x18\x53\x80\x67"
_EBML = b"\x1a\x45\xdf\xa3"
_BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"styp")
_LATER_BOXES = (b"moof", b"mfra", b"sidx", b"ssix", b"prft", b"emsg", b"uuid", b"meta", b"pdin", b"udta", b"imda")
_FLV = rb"FLV\x01.\x00\x00\x00\x09"
"""The header of a file (Adobe Flash Video File Format Specification 10.1, annex E.2)."""
_ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_FILE_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_MOST_BOXES = 100_000
_BOX_HEADER = 8
_UNKNOWN_LENGTH = 0xFFFFFFFF
"""What a program writes into RIFF when it cannot come back to say how long the file has become."""


def missing_bytes(path: Path) -> int:
    """How many bytes a file lacks of what its structure announces; 0 if it is whole, or nothing can be said."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(len(_ASF))
        reader = _reader(head)
        return max(0, reader(file, size) - size) if reader else 0


def matroska_files(path: Path) -> int:
    """How many files of Matroska lie behind each other in one, as joined recordings do; 0 if it is none."""
    size, count, start = path.stat().st_size, 0, 0
    with path.open("rb") as file:
        while start < size:
            file.seek(start)
            if file.read(len(_EBML)) != _EBML:
                break
            count += 1
            start = _matroska_end(file, size, start) or size
    return count


def unread_files(path: Path, form: str) -> str:
    """What to say of files put behind each other, of which FFmpeg reads the first ones; "" if it reads all."""
    if form == "matroska,webm":
        count, most, name = matroska_files(path), 2, "Matroska"
    elif form == "flv":
        count, most, name = _flv_files(path), 1, "FLV"
    else:
        return ""
    read = "the first is" if most == 1 else f"the first {most} are"
    return f"{count} files of {name} lie behind each other in it, of which only {read} read; cut it apart" * (
        count > most
    )


def _flv_files(path: Path) -> int:
    with path.open("rb") as file:
        if file.read(3) != b"FLV":
            return 0
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return sum(1 for _ in re.finditer(_FLV, data, re.DOTALL))


def _reader(head: bytes) -> Callable[[BinaryIO, int], int] | None:
    if head.startswith(_EBML):
        return _matroska_end
    if head == _ASF:
        return _asf_end
    if head[4:8] in _BOXES:
        return _boxes_end
    return _riff_end if head[:4] == b"RIFF" else None


def _matroska_end(file: BinaryIO, size: int, start: int = 0) -> int:
    file.seek(start + len(_EBML))
    header, known = _vint(file)
    file.seek(header, 1)
    if not known or file.read(4) != _SEGMENT:
        return 0
    length, known = _vint(file)
    return file.tell() + length if known else 0


def _vint(file: BinaryIO) -> tuple[int, bool]:
    """A size of EBML (RFC 8794), and whether it is known."""
    first = file.read(1)
    if not first or not first[0]:
        return 0, False
    length = 9 - first[0].bit_length()
    data = first + file.read(length - 1)
    top = (1 << 7 * length) - 1
    value = int.from_bytes(data, "big") & top
    return value, value != top and len(data) == length


def _boxes_end(file: BinaryIO, size: int) -> int:
    place = 0
    for _ in range(_MOST_BOXES):
        if place >= size:
            break
        file.seek(place)
        head = file.read(16)
        if len(head) < _BOX_HEADER:
            return place + _BOX_HEADER
        length = int.from_bytes(head[:4], "big")
        if length == 1 and len(head) == 16:
            length = int.from_bytes(head[8:], "big")
        if length < _BOX_HEADER:  # 0: to the end of the file; else not a box
            return 0
        if place + length > size and head[4:8] not in _BOXES + _LATER_BOXES:  # a tag behind the boxes, or padding
            return 0
        place += length
    return place


def _riff_end(file: BinaryIO, size: int) -> int:
    file.seek(4)
    length = int.from_bytes(file.read(4), "little")
    return 0 if length == _UNKNOWN_LENGTH else 8 + length


def _asf_end(file: BinaryIO, size: int) -> int:
    """What the File Properties Object says (ASF specification 01.20.06, section 3.2), unless it was a broadcast."""
    file.seek(len(_ASF))
    header = file.read(14)
    end = int.from_bytes(header[:8], "little")
    place = len(_ASF) + len(header)
    while place < min(end, size):
        file.seek(place)
        kind, length = file.read(16), int.from_bytes(file.read(8), "little")
        if kind == _FILE_PROPERTIES:
            told = file.read(68)
            broadcast = len(told) < 68 or told[64] & 1
            return 0 if broadcast else int.from_bytes(told[16:24], "little")
        if length < 24:
            return 0
        place += length
    return 0
