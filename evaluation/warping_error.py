"""E*warp: the warping error, how much neighbouring frames differ when motion is taken out.

Source: Lai et al., "Learning blind video temporal consistency", ECCV 2018, equations 9 and 10, as MGLD-VSR (arXiv
2312.00853, table 2) applies it: for neighbouring frames t and t + 1

    E = sum_p M(p) mean_c (V_t(p, c) - W(V_{t+1})(p, c))² / sum_p M(p)

with W the warp by the flow from t to t + 1, M = 0 where that is occluded, c the channels of R'G'B' in [0, 1]; the mean
over all pairs of frames. Flow and M come from the *reference*, whose motion is the true one, for every clip alike.
Unit: squared intensity, told times 1000. Range: 0 upwards, lower is steadier. A blurred clip has little to differ in:
the error of the reference itself, not 0, is what to aim at.
"""

from __future__ import annotations

from array import array

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evaluation.motion import Motion

SCALE = 1000.0
"""Errors are told in thousandths."""

LEAST_VISIBLE = 0.5
"""A pair of frames of which less than this share is seen in both is a cut, or moved beyond what flow can follow."""


def as_image(rgb: NDArray[np.float32], device: torch.device) -> Tensor:
    """``[h, w, 3]`` -> ``[1, 3, h, w]`` on a device."""
    return torch.from_numpy(rgb).to(device).permute(2, 0, 1)[None].contiguous()


@torch.inference_mode()
def warping_error(first: Tensor, second: Tensor, motion: Motion) -> float:
    """E of one pair of frames ``[1, 3, H, W]`` in [0, 1]: mean square over the visible pixels; 0 if there are none."""
    error = ((first - motion.follow(second)) ** 2).mean(dim=1, keepdim=True).double()
    visible = motion.visible.double()
    return float((error * visible).sum() / visible.sum().clamp(min=1))


class PairErrors:
    """The errors of all pairs of neighbouring frames of one clip; 8 bytes a pair are kept."""

    def __init__(self) -> None:
        self.errors = array("d")

    def add(self, error: float) -> None:
        """Append the error of the next pair; NaN for one that does not count."""
        self.errors.append(error)

    def mean(self, pairs: NDArray[np.bool_] | None = None) -> float:
        """The mean over some pairs (default: all) that count; NaN if there are none."""
        errors = np.frombuffer(self.errors, np.float64) if self.errors else np.empty(0)
        chosen = errors if pairs is None else errors[pairs]
        counted = chosen[~np.isnan(chosen)]
        return float(counted.mean()) if counted.size else float("nan")
