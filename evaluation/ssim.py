"""SSIM: structural similarity of the luma.

Source: Wang, Bovik, Sheikh and Simoncelli, "Image quality assessment: from error visibility to structural similarity",
IEEE TIP 13(4), 2004, as implemented by scikit-image with the paper's settings: Gaussian window of 11 x 11 with a
deviation of 1.5, K1 = 0.01, K2 = 0.03, population covariance; on BT.601 luma with peak 255, averaged over frames.
Unit: none. Range: -1 to 1; 1 for equal frames.
"""

from __future__ import annotations

from skimage.metrics import structural_similarity

from evaluation.luma import PEAK, Luma

SMALLEST = 11
"""Sides shorter than the window have no SSIM."""


def ssim(luma: Luma, reference: Luma) -> float | None:
    """Mean SSIM of two pictures ``[h, w]``; None if a side is shorter than the window."""
    if min(luma.shape) < SMALLEST:
        return None
    return float(
        structural_similarity(
            luma, reference, data_range=PEAK, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
    )
