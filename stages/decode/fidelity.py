"""What the result owes to its source: the low band put back, and figures that say how far the two agree.

Both compare at the source's size, or at half of the result's where the result is less than twice as large, each side
for itself: what lies below is the source's to say, what lies above is the networks'.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from skimage.color import deltaE_ciede2000, rgb2lab
from torch import Tensor
from torch.nn import functional

from models.device import onto
from stages.contract import Fact

_ROUNDS = 3
_GRID = (6, 8)
_RESIDUAL, _INVENTED = 0.05, 0.02
_THUMBNAIL = 160
_BEST = 99.0
_EVEN = 0.1 / 255
"""Mean gradient of an output pixel, in [0, 1], under which there is nothing to compare with."""


def low_band(source: tuple[int, int], output: tuple[int, int]) -> tuple[int, int]:
    """Height and width at which source and result are compared."""
    small = [min(before, max(1, after // 2)) for before, after in zip(source, output, strict=True)]
    return small[0], small[1]


def reduced(frame: Tensor, size: tuple[int, int]) -> Tensor:
    """[1, 3, H, W] at a smaller size, antialiased."""
    if tuple(frame.shape[-2:]) == size:
        return frame
    if frame.shape[-1] == 1:  # torch 2.13 reduces a single column to one value throughout, but not a single row
        return reduced(frame.mT.contiguous(), (size[1], size[0])).mT
    return functional.interpolate(frame, size=size, mode="bicubic", align_corners=False, antialias=True)


def enlarged(frame: Tensor, size: tuple[int, int]) -> Tensor:
    """[1, 3, h, w] at a larger size."""
    return functional.interpolate(frame, size=size, mode="bicubic", align_corners=False)


def back_project(frame: Tensor, source: Tensor, weight: float | Tensor) -> Tensor:
    """``frame`` with its low band drawn to that of ``source`` (iterative back-projection, Irani and Peleg 1991).

    Args:
        frame: [1, 3, H, W] in [0, 1].
        source: [1, 3, h, w] in [0, 1].
        weight: 0 changes nothing, 1 takes the whole difference over in each of three rounds; a number, or one for each
            place where the two are compared (``low_band``), [1, 1, h, w].
    """
    size = low_band(_hw(source), _hw(frame))
    wanted = reduced(source, size)
    for _ in range(_ROUNDS):
        frame = (frame + enlarged(weight * (wanted - reduced(frame, size)), _hw(frame))).clamp(0, 1)
    return frame


def _hw(frame: Tensor) -> tuple[int, int]:
    return frame.shape[-2], frame.shape[-1]


class Figures:
    """How far the frames of a chunk agree with their sources; means over the frames, maps of the worst."""

    def __init__(self) -> None:
        self._count = 0
        self._error = self._colour = self._sharp = self._sharp_before = 0.0
        self._worst = 0.0
        self._residual = np.zeros(_GRID)
        self._invented = np.zeros(_GRID)

    def add(self, frame: Tensor, source: Tensor) -> None:
        """Judge one frame [1, 3, H, W] by its source [1, 3, h, w], both in [0, 1]."""
        size = low_band(_hw(source), _hw(frame))
        here, there = reduced(frame, size), reduced(source, size)
        error = float(((here - there) ** 2).mean())
        self._count += 1
        self._error += error
        self._worst = max(self._worst, error)
        self._colour += _colour_difference(here, there)
        base = enlarged(there, _hw(frame))
        self._sharp += _sharpness(frame)
        self._sharp_before += _sharpness(base)
        residual = _cells((here - there).mean(1, keepdim=True) ** 2).sqrt()
        added = _cells((frame - enlarged(here, _hw(frame))).mean(1, keepdim=True) ** 2).sqrt()
        detail = _cells((there - reduced_and_back(there)).mean(1, keepdim=True) ** 2).sqrt()
        self._residual = np.maximum(self._residual, _array(residual))
        self._invented = np.maximum(self._invented, _array((added - 2 * detail).clamp(min=0)))

    def facts(self) -> Mapping[str, Fact]:
        """The figures, rounded, as facts of the chunk; nothing where there was no frame.

        ``downscale_db``: PSNR of the reduced result against the source; ``ciede2000``: mean colour difference, ITU-R
        BT.709 taken for sRGB; ``sharpness_gain``: mean gradient against that of the enlarged source, 1 where that
        is even; ``residual``: largest luma difference (RMS, percent) in cells of 6 rows of 8; ``beyond_source``:
        likewise, detail above what the source has twice over; ``flagged``: whether any cell has more than 5 and 2
        percent.
        """
        if not self._count:
            return {}
        count = self._count
        return {
            "downscale_db": _decibels(self._error / count),
            "downscale_db_worst": _decibels(self._worst),
            "ciede2000": round(self._colour / count, 3),
            "sharpness_gain": self._gain(),
            "residual": _spelled(self._residual),
            "beyond_source": _spelled(self._invented),
            "flagged": bool((self._residual > _RESIDUAL).any() or (self._invented > _INVENTED).any()),
        }

    def _gain(self) -> float:
        """Of all frames at once: a black one, whose gradient is next to nothing, does not decide."""
        if self._sharp_before < self._count * _EVEN:
            return 1.0
        return round(self._sharp / self._sharp_before, 3)


def reduced_and_back(frame: Tensor) -> Tensor:
    """What is left of [1, 3, h, w] of its coarser half."""
    height, width = _hw(frame)
    return enlarged(reduced(frame, (max(1, height // 2), max(1, width // 2))), (height, width))


def _cells(plane: Tensor) -> Tensor:
    return functional.adaptive_avg_pool2d(plane, _GRID)


def _array(cells: Tensor) -> NDArray[np.float64]:
    return np.asarray(cells[0, 0].double().cpu().numpy())


def _sharpness(frame: Tensor) -> float:
    """Mean gradient of the luma across and down; there is none across a single column or down a single row."""
    luma = frame.mean(1)
    return sum(float(luma.diff(dim=side).abs().mean()) for side in (-1, -2) if luma.shape[side] > 1)


def _colour_difference(here: Tensor, there: Tensor) -> float:
    height, width = _hw(here)
    scale = min(1.0, _THUMBNAIL / max(height, width))
    size = max(1, round(height * scale)), max(1, round(width * scale))
    pair = [reduced(each, size)[0].clamp(0, 1).permute(1, 2, 0).double().cpu().numpy() for each in (here, there)]
    return float(deltaE_ciede2000(rgb2lab(pair[0]), rgb2lab(pair[1])).mean())


def _decibels(error: float) -> float:
    return _BEST if error <= 0 else round(min(_BEST, -10 * float(np.log10(error))), 2)


def _spelled(cells: NDArray[np.float64]) -> str:
    """Percent, row by row."""
    return "; ".join(" ".join(f"{100 * value:.1f}" for value in row) for row in cells)


def as_tensor(frame: NDArray[np.float32], device: torch.device) -> Tensor:
    """R'G'B' [h, w, 3] as [1, 3, h, w]."""
    return onto(device, torch.from_numpy(np.ascontiguousarray(frame.transpose(2, 0, 1)))[None])
