"""Terms of the loss that no published formula fixes."""

from __future__ import annotations

import math

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
        band, difference = _laplacian(difference)
        total = total + band.abs().mean()
    return total / levels


def distribution_distance(
    restored: Tensor, target: Tensor, generator: torch.Generator, levels: int = 3, window: int = 32
) -> Tensor:
    """How far the values of fine structure are distributed unlike the target's, wherever each value lies.

    A restored picture that is smooth where the target has texture is far off, one with other texture of the same kind
    is not: what damage has destroyed can be replaced by something like it, but not put back. As in the projected
    distribution loss (Delbracio et al. 2021, arXiv 2012.09289), features are compared by their sorted values, here
    window by window, since texture belongs to a place. The features are the 15 alternating coefficients of the discrete
    cosine transform of every 4 x 4 patch in each band of the Laplacian pyramid: stripes and grids, which random filters
    hardly tell from texture, have all their energy in a few of them.

    Args:
        restored: [N, C, H, W].
        target: the same shape.
        generator: draws the mixtures of channels that are looked at, and the windows' places.
        levels: bands; H and W should be multiples of 2**levels.
        window: side in pixels of what is sorted together, half of it at each coarser band but at least 16.

    Returns:
        A scalar: 1 is a mean difference as large as the target's own mean value, averaged over the bands.
    """
    total = restored.new_zeros(())
    ours, theirs = restored, target.detach()
    for level in range(levels):
        (band, ours), (true_band, theirs) = _laplacian(ours), _laplacian(theirs)
        channels = functional.normalize(torch.randn((15, band.shape[1], 1, 1), generator=generator), dim=1)
        kernels = (_cosines(4)[1:, None] * channels).to(band)
        side = max(16, window >> level)
        place = torch.randint(side, (2,), generator=generator).tolist()
        found, wanted = (_sorted_windows(functional.conv2d(each, kernels), side, place) for each in (band, true_band))
        total = total + (found - wanted).abs().mean() / (wanted.abs().mean() + 1e-3)
    return total / levels


def _cosines(side: int) -> Tensor:
    """The orthonormal basis of the two-dimensional discrete cosine transform (DCT-II): [side**2, side, side]."""
    places = (torch.arange(side) + 0.5) * math.pi / side
    rows = torch.cos(torch.arange(side)[:, None] * places) * math.sqrt(2 / side)
    rows[0] /= math.sqrt(2)
    return torch.einsum("iy,jx->ijyx", rows, rows).flatten(0, 1)


def _laplacian(frames: Tensor) -> tuple[Tensor, Tensor]:
    """The finest band of a Laplacian pyramid, and what is left, half as large."""
    reduced = functional.avg_pool2d(frames, 2)
    enlarged = functional.interpolate(reduced, size=frames.shape[-2:], mode="bilinear", align_corners=False)
    return frames - enlarged, reduced


def _sorted_windows(responses: Tensor, side: int, place: list[int]) -> Tensor:
    """Sorted values of each whole window from ``place`` on, of ``side`` or as large as fits: [..., side**2]."""
    height, width = responses.shape[-2:]
    side = min(side, height, width)
    top, left = (at % (size - side + 1) for at, size in zip(place, (height, width), strict=True))
    cut = responses[..., top:, left:].unfold(2, side, side).unfold(3, side, side)
    return cut.flatten(-2).sort(dim=-1).values


def changes(clips: Tensor) -> Tensor:
    """Differences of neighbouring frames of each clip: [B, T, C, H, W] -> [B * (T - 1), C, H, W]."""
    return clips.diff(dim=1).flatten(0, 1)


def gaussian_kl(mean: Tensor, logvar: Tensor) -> Tensor:
    """Divergence of a diagonal normal posterior from the standard normal, in nats per latent value."""
    return 0.5 * (mean.square() + torch.exp(logvar) - 1.0 - logvar).mean()
