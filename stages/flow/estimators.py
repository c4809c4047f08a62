"""The estimators of optical flow that the flow stage can use, behind one call."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import torch
from torch import Tensor

from models.canvas import pad_by_reflection
from models.device import onto
from models.folder import ModelFolder
from models.winograd import use_winograd
from stages.flow.config import FlowConfig

LEAST_SIDE = 16
"""Pixels; OpenCV's dense inverse search refuses less than 12."""

FlowEstimator = Callable[[Tensor, Tensor], Tensor]
"""(image1, image2), each [1, 3, H, W] in [0, 1] -> flow [1, 2, H, W] in pixels (x, y): image1(p) = image2(p + flow)."""


def load_estimator(config: FlowConfig, folder: ModelFolder, device: torch.device, winograd: bool) -> FlowEstimator:
    """Load the estimator that the configuration names; its convolutions may take fewer multiplications.

    Raises:
        FileNotFoundError: if the model folder has no such network.
    """
    if config.estimator == "dis":
        return dis_flow
    network = folder.flow(config.estimator).to(device).eval()
    if winograd:
        use_winograd([network])

    def estimate(image1: Tensor, image2: Tensor) -> Tensor:
        return network(onto(device, image1), onto(device, image2))

    return estimate


def dis_flow(image1: Tensor, image2: Tensor) -> Tensor:
    """Dense inverse search (Kroeger et al., ECCV 2016) as implemented by OpenCV, at its medium preset."""
    height, width = image1.shape[-2:]
    grey = [_grey_bytes(pad_by_reflection(image, _roomy(height, width))) for image in (image1, image2)]
    # A method object per call: it keeps the last flow as a start value, which would make results depend on order.
    method = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    flow = method.calc(grey[0], grey[1], None)
    return torch.from_numpy(np.ascontiguousarray(flow[:height, :width].transpose(2, 0, 1)))[None]


def _roomy(height: int, width: int) -> tuple[int, int]:
    """The size to which a picture is padded that is smaller than OpenCV's method takes."""
    return max(height, LEAST_SIDE), max(width, LEAST_SIDE)


def _grey_bytes(image: Tensor) -> np.ndarray:
    rgb = (image[0].permute(1, 2, 0).float().cpu().numpy() * 255).round().astype(np.uint8)
    return cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
