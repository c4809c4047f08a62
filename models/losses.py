"""The temporal terms of the decoder's loss (golden README, section 11; arXiv 2312.00853, section 3.3).

The published training passes the ground truth where the functions expect the reconstruction and vice versa. So the
warped frames are the ground truth and the decoder learns from the consistency loss through the flow network alone.
``decoder_temporal_losses`` offers both orders; the published one is called that, the other is what was meant.
``models.losses_sequence`` puts these and the other terms together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from models.comparisons import WarpedComparisons
from models.guidance import PublishedGuidance, true_pairs
from models.motion import Motion

Order = Literal["published", "corrected"]


@dataclass(frozen=True, slots=True)
class DecoderLossWeights:
    """How much each loss counts; the defaults are the published ones.

    Attributes:
        pixel: mean absolute difference to the ground truth.
        perceptual: distance between features of a VGG network.
        frame_difference: ``frame_difference_loss``.
        consistency: ``consistency_loss``.
        adversarial: the discriminator's, from step ``adversarial_start`` on; multiplied by the adaptive weight.
        adversarial_start: first step, counted from 0, that has a discriminator.
        adaptive_limit: the adaptive weight is at most this.
        adaptive_floor: is added to the gradient norm that the adaptive weight divides by.
        kl: divergence of the posterior; the encoder is frozen.
        edge: w in the consistency loss's ``1 + w * sobel``.
    """

    pixel: float = 1.0
    perceptual: float = 0.5
    frame_difference: float = 0.5
    consistency: float = 0.5
    adversarial: float = 0.025
    adversarial_start: int = 501
    adaptive_limit: float = 1e4
    adaptive_floor: float = 1e-4
    kl: float = 0.0
    edge: float = 3.0

    def __post_init__(self) -> None:
        for name in fields(self):
            if getattr(self, name.name) < 0:
                raise ValueError(f"{name.name} must not be negative: {getattr(self, name.name)}")


def frame_difference_map(first: Tensor, second: Tensor) -> Tensor:
    """``|(a[i] - a[i+1]) - (b[i] - b[i+1])|``: ``[t, C, H, W]`` twice -> ``[t - 1, C, H, W]``."""
    return ((first[:-1] - first[1:]) - (second[:-1] - second[1:])).abs()


def frame_difference_loss(first: Tensor, second: Tensor) -> Tensor:
    """Mean of ``frame_difference_map``. The published training divides it by the number of pairs once more."""
    return frame_difference_map(first, second).mean()


def sobel(frames: Tensor) -> Tensor:
    """Strength of edges per channel, ``sqrt(gx^2 + gy^2 + 1e-6)``: ``[N, C, H, W]`` -> the same shape.

    Kernels are divided by 8; edges of the frame are repeated.
    """
    smooth, slope = frames.new_tensor([1.0, 2.0, 1.0]), frames.new_tensor([-1.0, 0.0, 1.0])
    kernels = torch.stack((torch.outer(smooth, slope), torch.outer(slope, smooth)))[:, None] / 8
    count, channels, height, width = frames.shape
    padded = functional.pad(frames, (1, 1, 1, 1), mode="replicate").reshape(-1, 1, height + 2, width + 2)
    gradients = functional.conv2d(padded, kernels)
    return (gradients.square().sum(1) + 1e-6).sqrt().view(count, channels, height, width)


def edge_weights(frames: Tensor, edge: float = 3.0) -> Tensor:
    """``1 + edge * sobel``, constants for the gradient: ``[N, C, H, W]`` -> the same shape."""
    return (1 + edge * sobel(frames)).detach()


def consistency_loss(frames: Tensor, edges: Tensor, motion: Motion) -> Tensor:
    """Structure-weighted consistency, with the published guidance's indices (golden README, sections 6 and 11).

    Differentiable in the frames, and in the flows where those come from a network.

    Args:
        frames: ``[t, C, H, W]``, the frames to warp.
        edges: the same shape; ``edge_weights`` of the frames whose flow it is.
        motion: of t frames, at the frames' size.

    Returns:
        The sum, over the comparisons, of their weighted mean absolute difference.
    """
    return _weighted_sum(PublishedGuidance(motion).comparisons, frames, edges)


def corrected_consistency_loss(frames: Tensor, edges: Tensor, motion: Motion) -> Tensor:
    """The same with every pair compared along its own flow: W(x[i+1]; F[i]) with x[i], W(x[i]; B[i]) with x[i+1].

    Arguments and result as for ``consistency_loss``.
    """
    return _weighted_sum(true_pairs(motion), frames, edges)


def _weighted_sum(comparisons: WarpedComparisons, frames: Tensor, edges: Tensor) -> Tensor:
    differences = comparisons.differences(frames) * edges[comparisons.targets]
    return differences.abs().mean(dim=(1, 2, 3)).sum()


def decoder_temporal_losses(
    reconstruction: Tensor,
    truth: Tensor,
    motion_of: Callable[[Tensor], Motion] | None,
    order: Order = "corrected",
    edge: float = 3.0,
) -> tuple[Tensor, Tensor]:
    """Frame difference loss and consistency loss of one window.

    Args:
        reconstruction: ``[t, C, H, W]``, the decoder's frames.
        truth: the same shape.
        motion_of: flow and occlusion masks of t frames; None leaves the consistency loss out (it is 0 then), since
            flows cost nearly half of a training step.
        order: "published" warps the ground truth along the reconstruction's flow, with the published indices, and
            divides the first loss by the number of pairs; "corrected" warps the reconstruction along the ground
            truth's flow, every pair along its own.
        edge: see ``DecoderLossWeights``.

    Returns:
        Two scalars, unweighted.
    """
    difference = frame_difference_loss(reconstruction, truth)
    if order == "published":
        difference = difference / (len(truth) - 1)
    if motion_of is None:
        return difference, difference.new_zeros(())
    if order == "published":
        return difference, consistency_loss(truth, edge_weights(reconstruction, edge), motion_of(reconstruction))
    return difference, corrected_consistency_loss(reconstruction, edge_weights(truth, edge), motion_of(truth))
