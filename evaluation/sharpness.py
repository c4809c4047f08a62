"""Sharpness: how much fine detail there is, whether right or invented.

Source: the mean absolute Laplacian of BT.601 luma (a focus measure; Nayar and Nakagawa, "Shape from focus", IEEE PAMI
16(8), 1994, in its plain form). The gain is the restored clip's over that of the input enlarged bicubically.
Unit: code values of 8 bits; the gain has none. Range: 0 upwards. It rewards noise as much as detail: read it together
with the full-reference measures, and beside the reference's own.
"""

from __future__ import annotations

import cv2
import numpy as np

from evaluation.luma import Luma


def sharpness(luma: Luma) -> float:
    """Mean absolute 4-neighbour Laplacian of a picture ``[h, w]``."""
    return float(np.abs(cv2.Laplacian(luma, cv2.CV_64F)).mean())
