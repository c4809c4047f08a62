"""Giving the restored frames the colours of the input (golden README, section 10).

Both come from StableSR (arXiv 2305.07015): adaptive instance normalisation, and the exchange of the low frequencies
of an à-trous wavelet decomposition.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


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
    return content - low_frequencies(content, levels) + low_frequencies(style, levels)


def low_frequencies(x: Tensor, levels: int) -> Tensor:
    """Blur ``[N, C, H, W]`` with [1 2 1]/4 along both axes, dilated by 1, 2, 4, ... in turn; edges are repeated."""
    taps = x.new_tensor([0.25, 0.5, 0.25])
    channels = x.shape[1]
    kernel = torch.outer(taps, taps).expand(channels, 1, 3, 3)
    for level in range(levels):
        radius = 2**level
        padded = functional.pad(x, (radius,) * 4, mode="replicate")
        x = functional.conv2d(padded, kernel, dilation=radius, groups=channels)
    return x
