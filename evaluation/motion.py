"""Where things move between two frames of the reference, and where that can be trusted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.canvas import pad_by_reflection
from models.warping import occlusion_masks, sampling_grid, warp_by_grid

FlowName = Literal["spynet", "raft", "dis"]
LEAST_SIDE = 16
"""Pixels; DIS refuses pictures of less than 12 by 12, and crashes at some that have one such side."""
Estimator = Callable[[Tensor, Tensor], Tensor]
"""Two images ``[1, 3, H, W]`` in [0, 1] -> flow ``[1, 2, H, W]``, (x, y) in pixels: first(p) = second(p + flow)."""


def load_estimator(name: FlowName, model: Path | None, device: torch.device) -> Estimator:
    """The flow network of a model folder (None is the embedded one), or OpenCV's DIS, which needs no weights.

    Raises:
        FileNotFoundError, ValueError: the folder has no such network.
    """
    if name == "dis":
        return _dis
    # Imported here: whoever takes DIS (a report does, in each of its processes) is spared seconds of diffusers.
    from models.folder import ModelFolder

    network = ModelFolder(model).flow(name).to(device).eval()
    return lambda first, second: network(first, second)


def _dis(first: Tensor, second: Tensor) -> Tensor:
    height, width = first.shape[-2:]
    roomy = max(height, LEAST_SIDE), max(width, LEAST_SIDE)
    before, after = (_grey_bytes(pad_by_reflection(image, roomy)) for image in (first, second))
    # A method object per call: it keeps the last flow as a start value, which would make results depend on order.
    method = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    flow = method.calc(before, after, np.zeros((*roomy, 2), np.float32))[:height, :width]
    return torch.from_numpy(np.ascontiguousarray(flow.transpose(2, 0, 1)))[None].to(first.device)


def _grey_bytes(image: Tensor) -> NDArray[np.uint8]:
    rgb = (image[0].permute(1, 2, 0).float().cpu().numpy() * 255).round().astype(np.uint8)
    return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), np.uint8)


@dataclass(frozen=True, slots=True)
class Motion:
    """Motion from one frame to the next.

    Attributes:
        grid: ``[1, H, W, 2]``: where each pixel of the first frame lies in the second, for ``grid_sample``.
        visible: ``[1, 1, H, W]``, 1 where the pixel is seen in both frames, else 0.
    """

    grid: Tensor
    visible: Tensor

    @property
    def share_visible(self) -> float:
        """Share of the pixels that are seen in both frames."""
        return float(self.visible.mean())

    def follow(self, second: Tensor) -> Tensor:
        """The second frame ``[1, C, H, W]`` moved back onto the first."""
        return warp_by_grid(second, self.grid)


@torch.inference_mode()
def motion(first: Tensor, second: Tensor, estimate: Estimator) -> Motion:
    """Flow from ``first`` to ``second`` (``[1, 3, H, W]`` in [0, 1]) and its occlusion by forward-backward consistency.

    A pixel counts as seen in both frames if the flows there and back cancel (``models.warping.occlusion_masks``: they
    miss by no more than 0.01 (|F| + |B|) + 0.5 pixels) and the place it goes to lies within the picture.
    """
    forward, backward = estimate(first, second).float(), estimate(second, first).float()
    occluded = occlusion_masks(forward, backward)[0]
    grid = sampling_grid(forward)
    inside = (grid.abs() <= 1).all(dim=-1)[:, None]
    return Motion(grid, (1 - occluded) * inside)
