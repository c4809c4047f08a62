"""The sequence-oriented loss of the temporal decoder (arXiv 2312.00853, section 3.3; golden README, section 11)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from models.losses import DecoderLossWeights, Order, decoder_temporal_losses
from models.losses_adversarial import Discriminator, FeatureNetwork, adaptive_weight, generator_loss, perceptual_loss
from models.motion import Motion
from models.temporal import count_windows

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class SequenceLoss:
    """The loss of one training step of the decoder.

    Attributes:
        total: what is minimised.
        terms: every term that counts, by the name of its weight, not weighted.
        adversarial_weight: what the adversarial term was multiplied by, the adaptive part included.
    """

    total: Tensor
    terms: Mapping[str, Tensor]
    adversarial_weight: Tensor


@dataclass(frozen=True, slots=True)
class Judges:
    """The networks that some terms need; they may be absent where the term's weight is 0.

    Attributes:
        features: for the perceptual term.
        channel_weights: of its layers; see ``perceptual_loss``.
        discriminator: for the adversarial term.
        last_layer: the weight of the decoder's last convolution (``TemporalVAE.last_layer``), for its weight.
    """

    features: FeatureNetwork | None = None
    channel_weights: tuple[Tensor, ...] | None = None
    discriminator: Discriminator | None = None
    last_layer: Tensor | None = None


def sequence_loss(
    reconstruction: Tensor,
    truth: Tensor,
    motion_of: Callable[[Tensor], Motion],
    num_frames: int,
    step: int,
    judges: Judges,
    weights: DecoderLossWeights | None = None,
    order: Order = "corrected",
    posterior: tuple[Tensor, Tensor] | None = None,
) -> SequenceLoss:
    """Compose pixel, perceptual, frame-difference, consistency, adversarial and KL terms.

    The adversarial term counts from ``weights.adversarial_start`` on, by its weight times ``adaptive_weight``; pixel
    and perceptual terms are what that compares it with. Terms of weight 0 do not appear.

    Args:
        reconstruction: ``[n, 3, H, W]`` in about [-1, 1], the decoder's frames: whole windows.
        truth: the same shape.
        motion_of: flow and occlusion masks of one window ``[num_frames, 3, H, W]``. With ``order="corrected"`` it is
            asked for the ground truth's and needs no gradient.
        num_frames: frames in a window.
        step: number of the training step, from 0.
        judges: the networks that the terms need.
        weights: None means the published ones.
        order: see ``decoder_temporal_losses``; the published one is for comparison alone.
        posterior: mean and log variance of the latents, for the KL term.

    Raises:
        ValueError: frames are no whole windows, or a term that counts lacks what it needs.
    """
    w = DecoderLossWeights() if weights is None else weights
    terms: dict[str, Tensor] = {}
    if w.pixel:
        terms["pixel"] = (reconstruction - truth).abs().mean()
    if w.perceptual:
        features = _needed(judges.features, "perceptual", "a feature network")
        terms["perceptual"] = perceptual_loss(reconstruction, truth, features, judges.channel_weights)
    fidelity = [getattr(w, name) * term for name, term in terms.items()]
    if w.frame_difference or w.consistency:
        windows = count_windows(len(reconstruction), num_frames)
        pairs = zip(reconstruction.chunk(windows), truth.chunk(windows), strict=True)
        asked = motion_of if w.consistency else None
        found = [decoder_temporal_losses(ours, theirs, asked, order, w.edge) for ours, theirs in pairs]
        temporal = {"frame_difference": [pair[0] for pair in found], "consistency": [pair[1] for pair in found]}
        terms |= {name: torch.stack(values).mean() for name, values in temporal.items() if getattr(w, name)}
    if w.kl:
        mean, logvar = _needed(posterior, "kl", "the posterior")
        terms["kl"] = 0.5 * (mean.square() + logvar.exp() - 1 - logvar).flatten(1).sum(1).mean()
    total = sum((getattr(w, name) * term for name, term in terms.items()), reconstruction.new_zeros(()))
    weight = reconstruction.new_zeros(())
    if w.adversarial and step >= w.adversarial_start:
        discriminator = _needed(judges.discriminator, "adversarial", "a discriminator")
        last_layer = _needed(judges.last_layer, "adversarial", "the decoder's last layer")
        if not fidelity:
            raise ValueError("the adversarial term is weighted by the pixel and perceptual ones: neither counts")
        terms["adversarial"] = generator_loss(discriminator(reconstruction))
        ratio = adaptive_weight(
            torch.stack(fidelity).sum(), terms["adversarial"], last_layer, w.adaptive_limit, w.adaptive_floor
        )
        weight = w.adversarial * ratio
        total = total + weight * terms["adversarial"]
    return SequenceLoss(total, terms, weight)


def _needed(value: T | None, term: str, what: str) -> T:
    if value is None:
        raise ValueError(f"the {term} term needs {what}; give it, or set its weight to 0")
    return value
