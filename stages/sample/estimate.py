"""The initial estimate: the first guess of a chunk's frames at output size."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from models.basicvsr import BasicVSR
from models.canvas import Canvas


def recurrent_estimate(network: BasicVSR, frames: Tensor, canvas: Canvas) -> Tensor:
    """Enlarge all frames of a chunk by the recurrent network, each with the help of all others.

    Args:
        network: enlarges by 4; other scales are reached by resizing its result.
        frames: [n, 3, h, w] in [0, 1].
        canvas: gives the size to reach.

    Returns:
        [n, 3, *canvas.upscaled] in [0, 1].
    """
    estimate = network(frames)
    if tuple(estimate.shape[-2:]) != canvas.upscaled:
        estimate = functional.interpolate(
            estimate, size=canvas.upscaled, mode="bicubic", align_corners=False, antialias=True
        )
    return estimate.clamp(0, 1)


def quantise(frames: Tensor, bits: int) -> Tensor:
    """Round frames in [0, 1] to the code values of ``bits`` bits: what a file of that depth gives back."""
    top = 2**bits - 1
    return torch.round(frames * top) / top
