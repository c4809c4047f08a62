"""Folders of numbered images."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Literal

import odd_clips

_TIMECODE, _RATE, _PIXELS = 1920, 1724, 2048
"""Where SMPTE ST 268-1 has time code and the frame rate of film, and where its headers end."""


def write_images(folder: Path, suffix: str, frames: int = 8, name: str = "reel_%04d") -> Path:
    """Images of the moving texture; 10-bit R'G'B' in DPX, 16 bits in TIFF, 8 in PNG."""
    folder.mkdir(parents=True)
    odd_clips.write_texture(folder)
    pix_fmt = {"dpx": "gbrp10le", "tiff": "rgb48le", "png": "rgb24"}[suffix]
    words = f"{odd_clips.moving('24', frames / 24)} -start_number 86400 -pix_fmt {pix_fmt} -f image2 {name}.{suffix}"
    odd_clips.ffmpeg(words, folder)
    (folder / "texture.png").unlink()
    return folder


def write_header(image: Path, timecode: int, rate: float) -> None:
    """Give a DPX image that ffmpeg wrote the headers for film and television, with a time code (BCD) and a rate."""
    data = image.read_bytes()
    order: Literal["little", "big"] = "big" if data[:4] == b"SDPX" else "little"
    pixels = int.from_bytes(data[4:8], order)
    longer = bytearray(data[:pixels] + b"\xff" * (_PIXELS - pixels) + data[pixels:])
    longer[4:8] = _PIXELS.to_bytes(4, order)
    longer[16:20] = len(longer).to_bytes(4, order)
    longer[_TIMECODE : _TIMECODE + 4] = timecode.to_bytes(4, order)
    longer[_RATE : _RATE + 4] = struct.pack(">f" if order == "big" else "<f", rate)
    image.write_bytes(longer)
