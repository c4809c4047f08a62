"""Downscale consistency: does the restoration, made small again, look like its input?

Source: the usual fidelity check of super-resolution (e.g. Lugmayr et al., NTIRE 2021 challenge on learning the
super-resolution space, "LR-PSNR"). The restored frame is reduced to the input's size by antialiased bicubic
interpolation (a = -0.5, as MATLAB's ``imresize`` and Pillow), and compared with the input by PSNR-Y.
Unit: dB. Range: 0 upwards, higher is more faithful. From about 45 dB on, nothing was invented that the input denies;
a damaged input should not be matched that closely.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from evaluation.luma import luma
from evaluation.psnr import psnr


def resize(rgb: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """``[h, w, 3]`` -> ``[*size, 3]`` by bicubic interpolation (a = -0.5), antialiased where it gets smaller."""
    if rgb.shape[:2] == size:
        return rgb
    planes = torch.from_numpy(rgb).permute(2, 0, 1)[None]
    resized = functional.interpolate(planes, size, mode="bicubic", align_corners=False, antialias=True)
    return np.ascontiguousarray(resized[0].permute(1, 2, 0).numpy())


def consistency(restored: NDArray[np.float32], low: NDArray[np.float32]) -> float:
    """PSNR-Y in dB between the input ``[h, w, 3]`` and the restored frame reduced to its size; inf if equal."""
    height, width = low.shape[:2]
    return psnr(luma(np.clip(resize(restored, (height, width)), 0, 1)), luma(low))
