"""Losses by other networks: perceptual distance, hinge losses of a discriminator, and how much the latter may count."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import repeat

import torch
from torch import Tensor
from torch.nn import functional

FeatureNetwork = Callable[[Tensor], Sequence[Tensor]]
"""Frames ``[n, 3, H, W]`` in [-1, 1] -> activations of several layers, ``[n, c, h, w]`` each."""

Discriminator = Callable[[Tensor], Tensor]
"""Frames ``[n, 3, H, W]`` in [-1, 1] -> scores of any shape, high for real."""


def perceptual_loss(
    first: Tensor, second: Tensor, network: FeatureNetwork, channel_weights: Sequence[Tensor] | None = None
) -> Tensor:
    """Distance of activations, LPIPS (Zhang et al. 2018, arXiv 1801.03924, equation 1).

    Activations are normalised to length 1 over their channels; squared differences are weighted by channel, summed over
    channels, averaged over places and frames, summed over layers.

    Args:
        first: ``[n, 3, H, W]``.
        second: the same shape.
        network: gives the activations; its weights should be frozen.
        channel_weights: ``[c]`` for each layer; None counts every channel by 1 / c.

    Raises:
        ValueError: there are not as many weights as layers.
    """
    pairs = list(zip(network(first), network(second), strict=True))
    total = first.new_zeros(())
    weights = repeat(None, len(pairs)) if channel_weights is None else channel_weights
    for (one, other), weight in zip(pairs, weights, strict=True):
        squares = (functional.normalize(one, dim=1, eps=1e-10) - functional.normalize(other, dim=1, eps=1e-10)).square()
        distances = squares.mean(1) if weight is None else (squares * weight.view(1, -1, 1, 1)).sum(1)
        total = total + distances.mean()
    return total


def generator_loss(scores: Tensor) -> Tensor:
    """What the decoder wants: high scores for its frames. Minus the mean of ``scores``, of any shape."""
    return -scores.mean()


def hinge_loss(real: Tensor, restored: Tensor) -> Tensor:
    """What the discriminator wants: scores over 1 for real and under -1 for restored frames; half the sum of both.

    Args:
        real: scores of real frames, any shape.
        restored: scores of the decoder's frames, which must not carry its gradient.
    """
    return 0.5 * (functional.relu(1 - real).mean() + functional.relu(1 + restored).mean())


def discriminator_loss(discriminator: Discriminator, reconstruction: Tensor, truth: Tensor) -> Tensor:
    """The loss of one training step of the discriminator; nothing of it reaches the decoder.

    Args:
        discriminator: in training mode.
        reconstruction: ``[n, 3, H, W]``, the decoder's frames.
        truth: the same shape.
    """
    return hinge_loss(discriminator(truth.detach()), discriminator(reconstruction.detach()))


def adaptive_weight(
    reconstruction_loss: Tensor, adversarial_loss: Tensor, last_layer: Tensor, limit: float = 1e4, floor: float = 1e-4
) -> Tensor:
    """How much the adversarial loss may count, so that it pulls as hard as the other (arXiv 2012.09841, equation 7).

    The ratio of the norms of both losses' gradients at the decoder's last layer.

    Args:
        reconstruction_loss: a scalar with a graph, which is kept.
        adversarial_loss: likewise.
        last_layer: the weight of the decoder's last convolution; both losses depend on it.
        limit: largest value.
        floor: is added to the norm that is divided by.

    Returns:
        A scalar in [0, limit], constant for the gradient.
    """
    norms = [
        torch.autograd.grad(loss, last_layer, retain_graph=True)[0].norm()
        for loss in (reconstruction_loss, adversarial_loss)
    ]
    return (norms[0] / (norms[1] + floor)).clamp(0.0, limit).detach()
