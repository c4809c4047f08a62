"""Terms of the loss that no published formula fixes."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def pyramid_l1(restored: Tensor, target: Tensor, levels: int = 3) -> Tensor:
    """Mean absolute difference of the Laplacian pyramids, each level weighing the same.

    It stands for the perceptual term where no pretrained backbone is at hand: fine structure, which has little energy,
    counts as much as coarse.

    Args:
        restored: [N, 3, H, W].
        target: the same shape.
        levels: band-pass levels; H and W should be multiples of 2**levels.
    """
    difference = restored - target
    total = difference.new_zeros(())
    for _ in range(levels):
        reduced = functional.avg_pool2d(difference, 2)
        enlarged = functional.interpolate(reduced, size=difference.shape[-2:], mode="bilinear", align_corners=False)
        total = total + (difference - enlarged).abs().mean()
        difference = reduced
    return total / levels


def gaussian_kl(mean: Tensor, logvar: Tensor) -> Tensor:
    """Divergence of a diagonal normal posterior from the standard normal, in nats per latent value."""
    return 0.5 * (mean.square() + torch.exp(logvar) - 1.0 - logvar).mean()
