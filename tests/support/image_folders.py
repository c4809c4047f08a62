"""Folders of numbered images."""

from __future__ import annotations

from pathlib import Path

import odd_clips


def write_images(folder: Path, suffix: str, frames: int = 8, name: str = "reel_%04d") -> Path:
    """Images of the moving texture; 10-bit R'G'B' in DPX, 16 bits in TIFF, 8 in PNG."""
    folder.mkdir(parents=True)
    odd_clips.write_texture(folder)
    pix_fmt = {"dpx": "gbrp10le", "tiff": "rgb48le", "png": "rgb24"}[suffix]
    words = f"{odd_clips.moving('24', frames / 24)} -start_number 86400 -pix_fmt {pix_fmt} -f image2 {name}.{suffix}"
    odd_clips.ffmpeg(words, folder)
    (folder / "texture.png").unlink()
    return folder
