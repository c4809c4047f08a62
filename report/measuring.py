"""Figures of single frames, measured against the input alone: an archive has no original to compare with.

Each is one of ``evaluation``'s measures. The motion that the warping errors follow is that of the input: flow is
estimated at the input's size and enlarged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import isfinite, nan

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evaluation.consistency import consistency, resize
from evaluation.luma import luma
from evaluation.motion import Estimator, Motion, load_estimator, motion
from evaluation.seams import FLOOR
from evaluation.sharpness import sharpness
from evaluation.warping_error import LEAST_VISIBLE, SCALE, as_image, warping_error
from models.warping import resize_flow
from report.shots import Shot

Rgb = NDArray[np.float32]
CPU = torch.device("cpu")

LEAST_CONSISTENCY = 30.0
"""dB under which the restoration contradicts its input (docs/evaluation.md)."""
VISIBLE_SEAM = 1.5
"""Seam ratio from which on a seam can be seen (docs/evaluation.md)."""
VISIBLE_ERROR = SCALE / 255**2
"""Warping error of one code value of 8 bits: what stays below is no seam that could be seen, whatever its ratio."""
EQUAL = 100.0
"""dB that stand for equal frames, as in ``evaluation.psnr``: a chart cannot draw infinity."""


@dataclass(slots=True)
class FrameFigures:
    """Figures of the measured frames, one entry each; warping errors are of the frame and the one before it, NaN for
    the first of a stretch and at cuts."""

    numbers: list[int] = field(default_factory=list)
    consistency: list[float] = field(default_factory=list)
    sharpness: list[float] = field(default_factory=list)
    input_sharpness: list[float] = field(default_factory=list)
    warping: list[float] = field(default_factory=list)
    input_warping: list[float] = field(default_factory=list)


class Measuring:
    """Takes pairs of frames as they go by; two of each are held."""

    def __init__(self) -> None:
        self.figures = FrameFigures()
        self._before: tuple[Tensor, Tensor] | None = None

    def add(self, number: int, low: Rgb, restored: Rgb, first: bool) -> None:
        """Add frame ``number``: the input's and the restored one; ``first`` of a stretch."""
        size = restored.shape[:2]
        enlarged = np.clip(resize(low, (size[0], size[1])), 0, 1)
        found = self.figures
        found.numbers.append(number)
        found.consistency.append(min(EQUAL, consistency(restored, low)))
        found.sharpness.append(sharpness(luma(restored)))
        found.input_sharpness.append(sharpness(luma(enlarged)))
        now = as_image(restored, CPU), as_image(enlarged, CPU)
        errors = (nan, nan)
        if self._before is not None and not first:
            moved = motion(self._before[1], now[1], _estimator(low.shape[0], low.shape[1]))
            if moved.share_visible >= LEAST_VISIBLE:
                errors = self._errors(now, moved)
        found.warping.append(errors[0])
        found.input_warping.append(errors[1])
        self._before = now

    def _errors(self, now: tuple[Tensor, Tensor], moved: Motion) -> tuple[float, float]:
        assert self._before is not None
        restored, low = (warping_error(a, b, moved) * SCALE for a, b in zip(self._before, now, strict=True))
        return restored, low


def _estimator(height: int, width: int) -> Estimator:
    """OpenCV's DIS flow, estimated at a size of ``[height, width]``; needs no weights and a few milliseconds."""
    dense = load_estimator("dis", None, CPU)

    def estimate(first: Tensor, second: Tensor) -> Tensor:
        size = (first.shape[-2], first.shape[-1])
        if size == (height, width):
            return dense(first, second)
        small = [_shrunk(image, (height, width)) for image in (first, second)]
        return resize_flow(dense(*small), size)

    return estimate


def _shrunk(image: Tensor, size: tuple[int, int]) -> Tensor:
    picture = image[0].permute(1, 2, 0).numpy()
    return as_image(cv2.resize(picture, size[::-1], interpolation=cv2.INTER_AREA), image.device)


@dataclass(frozen=True, slots=True)
class ShotFigures:
    """Means over the measured frames of one shot; None where there is nothing to take a mean of.

    Attributes:
        frames: how many were measured.
        consistency: of the worst frame, not the mean.
        seam: warping error across seams over that inside, divided by the same of the input; 1 is none.
        flags: what a person should look at, one sentence each.
    """

    shot: Shot
    frames: int
    consistency: float | None = None
    sharpness: float | None = None
    input_sharpness: float | None = None
    warping: float | None = None
    input_warping: float | None = None
    seam: float | None = None
    flags: tuple[str, ...] = ()


def by_shot(figures: FrameFigures, shots: Sequence[Shot]) -> list[ShotFigures]:
    """The figures of every shot that was measured."""
    numbers = np.array(figures.numbers)
    found = []
    for shot in shots:
        inside = (numbers >= shot.start) & (numbers < shot.stop) if len(numbers) else np.zeros(0, bool)
        if inside.any():
            found.append(_of_shot(figures, shot, np.flatnonzero(inside)))
    return found


def _of_shot(figures: FrameFigures, shot: Shot, chosen: NDArray[np.int64]) -> ShotFigures:
    def mean(values: list[float]) -> float | None:
        kept = [values[index] for index in chosen if isfinite(values[index])]
        return sum(kept) / len(kept) if kept else None

    worst = min(figures.consistency[index] for index in chosen)
    sharp, enlarged = mean(figures.sharpness), mean(figures.input_sharpness)
    across, seam = _seam(figures, shot, chosen)
    flags = []
    if worst < LEAST_CONSISTENCY:
        flags.append(f"differs from its input: {worst:.1f} dB when made small again")
    if seam is not None and seam >= VISIBLE_SEAM and across >= VISIBLE_ERROR:
        flags.append(f"a seam may show: frames differ {seam:.1f} times as much across it as inside")
    if sharp is not None and enlarged is not None and sharp < enlarged:
        flags.append("less sharp than its input enlarged")
    return ShotFigures(
        shot,
        len(chosen),
        worst,
        sharp,
        enlarged,
        mean(figures.warping),
        mean(figures.input_warping),
        seam,
        tuple(flags),
    )


def _seam(figures: FrameFigures, shot: Shot, chosen: NDArray[np.int64]) -> tuple[float, float | None]:
    """Warping error across seams, and the seam ratio with the input as reference (``evaluation.seams``); pair n is that
    of frames n - 1 and n."""
    crossing = {pair for first, last in shot.seams for pair in range(min(first, last), max(first, last) + 1)}
    means, ratios = [], []
    for errors in (figures.warping, figures.input_warping):
        across = [errors[i] for i in chosen if figures.numbers[i] in crossing and isfinite(errors[i])]
        within = [errors[i] for i in chosen if figures.numbers[i] not in crossing and isfinite(errors[i])]
        if not across or not within:
            return 0.0, None
        floor = FLOOR * SCALE
        means.append(sum(across) / len(across))
        ratios.append((means[-1] + floor) / (sum(within) / len(within) + floor))
    return means[0], ratios[0] / ratios[1]
