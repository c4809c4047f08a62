"""The initial estimate: the first guess of a chunk's frames at output size."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional

from models.basicvsr import BasicVSR
from models.canvas import Canvas

GIB = 2**30


def recurrent_estimates(network: BasicVSR, frames: Tensor, canvas: Canvas, memory: float) -> Iterator[Tensor]:
    """Enlarge the frames of a chunk by the recurrent network, each with the help of all others, one after the other.

    Args:
        network: enlarges by 4; other scales are reached by resizing its result.
        frames: [n, 3, h, w] in [0, 1].
        canvas: gives the size to reach.
        memory: GiB that the hidden features of the chunk may take (see ``keep_every``).

    Yields:
        n tensors [1, 3, *canvas.upscaled] in [0, 1].
    """
    count, _, height, width = frames.shape
    features = network.config.channels * height * width * frames.element_size()
    for estimate in network.stream(frames[None], keep_every(count, features, memory)):
        if tuple(estimate.shape[-2:]) != canvas.upscaled:
            estimate = functional.interpolate(
                estimate, size=canvas.upscaled, mode="bicubic", align_corners=False, antialias=True
            )
        yield estimate.clamp(0, 1)


def keep_every(frames: int, features: int, memory: float) -> int:
    """How many frames lie between those whose hidden features are kept; the others' are computed twice.

    Args:
        frames: of the chunk.
        features: bytes that the hidden features of a frame take.
        memory: GiB that all of them may take. Beyond it, every k-th frame's are kept, k the root of ``frames``: that
            is the least, about ``2 * sqrt(frames)`` frames' features, and more than ``memory`` if need be.
    """
    return 1 if frames * features <= memory * GIB else math.isqrt(frames - 1) + 1


def quantise(frames: Tensor, bits: int) -> Tensor:
    """Round frames in [0, 1] to the code values of ``bits`` bits: what a file of that depth gives back."""
    top = 2**bits - 1
    return torch.round(frames * top) / top
