"""The measures as they gather while the frames go by."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from evaluation.clip import Rgb
from evaluation.consistency import consistency, resize
from evaluation.luma import Luma, luma
from evaluation.motion import Estimator, motion
from evaluation.niqe import niqe
from evaluation.psnr import MeanPsnr, psnr
from evaluation.report import Number
from evaluation.sharpness import sharpness
from evaluation.ssim import ssim
from evaluation.warping_error import LEAST_VISIBLE, PairErrors, as_image, warping_error


class Mean:
    """A mean over frames of a measure that some frames may not have."""

    def __init__(self) -> None:
        self._total, self._count = 0.0, 0

    def add(self, value: float | None) -> None:
        """Count one frame, if it has the measure."""
        if value is not None:
            self._total += value
            self._count += 1

    @property
    def value(self) -> Number:
        """The mean; None if no frame had it."""
        return self._total / self._count if self._count else None


@dataclass(slots=True)
class ClipMeans:
    """What is gathered of one clip by itself."""

    niqe: Mean = field(default_factory=Mean)
    sharpness: Mean = field(default_factory=Mean)
    pairs: PairErrors = field(default_factory=PairErrors)


class WarpingErrors:
    """The warping errors of restored and reference, by the motion of the reference. Two frames of each are held."""

    def __init__(self, estimate: Estimator, device: torch.device) -> None:
        self.left_out = 0
        self._estimate, self._device = estimate, device
        self._before: tuple[Tensor, Tensor] | None = None

    def add(self, restored: Rgb, reference: Rgb, into: tuple[PairErrors, PairErrors]) -> None:
        """Go on by one frame; from the second on, the pair's two errors go ``into`` (restored, reference)."""
        now = as_image(restored, self._device), as_image(reference, self._device)
        before, self._before = self._before, now
        if before is None:
            return
        moved = motion(before[1], now[1], self._estimate)
        counts = moved.share_visible >= LEAST_VISIBLE
        self.left_out += not counts
        for first, second, errors in zip(before, now, into, strict=True):
            errors.add(warping_error(first, second, moved) if counts else float("nan"))


class Gathering:
    """Everything but ColorVideoVDP, in one pass.

    Args:
        measures: names of those to take.
        warping: the warping errors, if wanted.
    """

    def __init__(self, measures: frozenset[str], warping: WarpingErrors | None) -> None:
        self.frames = 0
        self.psnr, self.consistency = MeanPsnr(), MeanPsnr()
        self.ssim, self.enlarged = Mean(), Mean()
        self.restored, self.reference = ClipMeans(), ClipMeans()
        self.warping = warping
        self._measures = measures

    def add(self, restored: Rgb, reference: Rgb, low: Rgb | None) -> None:
        """Go on by one frame of each clip, ``[h, w, 3]`` in [0, 1]."""
        self.frames += 1
        lumas = luma(restored), luma(reference)
        if "psnr" in self._measures:
            self.psnr.add(psnr(*lumas))
        if "ssim" in self._measures:
            self.ssim.add(ssim(*lumas))
        for means, brightness in zip((self.restored, self.reference), lumas, strict=True):
            self._by_itself(means, brightness)
        if low is not None:
            self._against_input(restored, low)
        if self.warping is not None:
            self.warping.add(restored, reference, (self.restored.pairs, self.reference.pairs))

    def _by_itself(self, means: ClipMeans, brightness: Luma) -> None:
        if "niqe" in self._measures:
            means.niqe.add(niqe(brightness))
        if "sharpness" in self._measures:
            means.sharpness.add(sharpness(brightness))

    def _against_input(self, restored: Rgb, low: Rgb) -> None:
        if "consistency" in self._measures:
            self.consistency.add(consistency(restored, low))
        if "sharpness" in self._measures:
            height, width = restored.shape[:2]
            self.enlarged.add(sharpness(luma(resize(low, (height, width)))))
