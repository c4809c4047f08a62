"""Giving the restored frames the colours of the input (golden README, section 10).

Both come from StableSR (arXiv 2305.07015): adaptive instance normalisation, and the exchange of the low frequencies
of an à-trous wavelet decomposition.
"""

from __future__ import annotations

import torch
from torch import Tensor


def adain(content: Tensor, style: Tensor, eps: float = 1e-5) -> Tensor:
    """Give each frame and channel of ``content`` the mean and deviation of ``style``.

    Args:
        content: ``[N, C, H, W]``, the restored frames.
        style: ``[N, C, h, w]``, the frames whose colours are right.
        eps: added to the (unbiased) variances.

    Returns:
        ``[N, C, H, W]``, not clamped.
    """
    content_std, content_mean = _deviation_and_mean(content, eps)
    style_std, style_mean = _deviation_and_mean(style, eps)
    return (content - content_mean) / content_std * style_std + style_mean


def _deviation_and_mean(x: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    variance, mean = torch.var_mean(x, dim=(-2, -1), keepdim=True, correction=1)
    return (variance + eps).sqrt(), mean


def wavelet(content: Tensor, style: Tensor, levels: int = 5) -> Tensor:
    """Replace the low frequencies of ``content`` by those of ``style``.

    Args:
        content: ``[N, C, H, W]``, the restored frames.
        style: the same shape, the frames whose colours are right.
        levels: dilations 1, 2, 4, ... of the blur; 5 keeps what is finer than some 60 pixels.

    Returns:
        ``[N, C, H, W]``, not clamped.
    """
    # The blur is linear: one of the difference does for both.
    return content + low_frequencies(style - content, levels)


def low_frequencies(x: Tensor, levels: int) -> Tensor:
    """Blur ``[N, C, H, W]`` with [1 2 1]/4 along both axes, dilated by 1, 2, 4, ... in turn; edges are repeated."""
    for level in range(levels):
        for axis in (-2, -1):
            x = _blurred(x, axis, 2**level)
    return x


def _blurred(x: Tensor, axis: int, radius: int) -> Tensor:
    """[1 2 1]/4 along one axis, ``radius`` apart: slices added, several times as fast as a dilated convolution."""
    size = x.shape[axis]
    radius = min(radius, size)
    inside = size - radius
    blurred = x * 0.5
    blurred.narrow(axis, radius, inside).add_(x.narrow(axis, 0, inside), alpha=0.25)
    blurred.narrow(axis, 0, inside).add_(x.narrow(axis, radius, inside), alpha=0.25)
    blurred.narrow(axis, 0, radius).add_(x.narrow(axis, 0, 1), alpha=0.25)
    blurred.narrow(axis, inside, radius).add_(x.narrow(axis, size - 1, 1), alpha=0.25)
    return blurred
