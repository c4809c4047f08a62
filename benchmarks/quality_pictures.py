"""Pictures side by side: for each clip one grid with the same crop of every way."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import uniform_filter

from evaluation.clip import Clip, Rgb
from evaluation.luma import luma
from training.degradations import SCALE

CROP = (128, 96)
"""Width and height of a crop in pixels of the output; multiples of 4."""
ZOOM = 2
COLUMNS = 7
LINE = 18


def middle_frame(path: Path, frames: int) -> Rgb:
    """The frame in the middle of a clip of so many frames."""
    return next(islice(Clip.open(path).frames(), frames // 2, None))


def liveliest(original: Rgb, size: tuple[int, int]) -> tuple[int, int]:
    """Where the crop ``size`` (width, height) with the strongest edges begins: left and top, multiples of 4."""
    brightness = luma(original)
    energy = np.abs(np.diff(brightness, axis=0))[:, :-1] + np.abs(np.diff(brightness, axis=1))[:-1]
    width, height = size
    means = uniform_filter(energy, (height, width), mode="constant")
    best, place = -1.0, (0, 0)
    for top in range(0, original.shape[0] - height + 1, SCALE):
        for left in range(0, original.shape[1] - width + 1, SCALE):
            found = means[min(top + height // 2, means.shape[0] - 1), min(left + width // 2, means.shape[1] - 1)]
            if found > best:
                best, place = float(found), (left, top)
    return place


class Grid:
    """The crops of one clip, row by row: a block of rows for each kind of damage.

    Args:
        original: the clip's file.
        frames: how many it has.
    """

    def __init__(self, original: Path, frames: int) -> None:
        self._frames = frames
        picture = middle_frame(original, frames)
        self._size = (min(CROP[0], picture.shape[1]), min(CROP[1], picture.shape[0]))
        self._left, self._top = liveliest(picture, self._size)
        self._blocks: dict[str, list[tuple[str, Image.Image]]] = {}

    def add(self, damage: str, label: str, path: Path, scale: int = 1) -> None:
        """Add the crop of a file; the input is ``scale`` times smaller than the others, and drawn in squares."""
        frame = middle_frame(path, self._frames)
        left, top, width, height = (side // scale for side in (self._left, self._top, *self._size))
        crop = np.clip(frame[top : top + height, left : left + width], 0, 1)
        image = Image.fromarray((crop * 255).round().astype(np.uint8))
        shown = (self._size[0] * ZOOM, self._size[1] * ZOOM)
        self._blocks.setdefault(damage, []).append((label, image.resize(shown, Image.Resampling.NEAREST)))

    def write(self, target: Path) -> Path:
        """Draw the grid and write it as PNG."""
        width, height = self._size[0] * ZOOM + 4, self._size[1] * ZOOM + LINE + 4
        rows = sum(-(-len(crops) // COLUMNS) for crops in self._blocks.values())
        sheet = Image.new("RGB", (width * COLUMNS, rows * height), "white")
        draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
        y = 0
        for damage, crops in self._blocks.items():
            for number, (label, image) in enumerate(crops):
                x, row = number % COLUMNS * width, y + number // COLUMNS * height
                draw.text((x + 2, row + 1), f"{damage}: {label}", fill="black", font=font)
                sheet.paste(image, (x, row + LINE))
            y += -(-len(crops) // COLUMNS) * height
        target.parent.mkdir(parents=True, exist_ok=True)
        sheet.save(target, optimize=True)
        return target
