"""Third stage of training: the temporal decoder with the sequence-oriented loss, on latents that the denoiser produced.

The encoder stays as it is. Unlike the published training, flows and edges come from the ground truth and the warped
frames are the reconstruction's, so that the consistency loss reaches the decoder (``models.losses``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from models.discriminator import PatchDiscriminator
from models.losses import DecoderLossWeights
from models.losses_adversarial import FeatureNetwork, discriminator_loss
from models.losses_sequence import Judges, sequence_loss
from models.motion import Motion
from models.schedule import DiffusionSchedule
from models.spynet import SPyNet
from models.steps import GuidedSteps, SamplerSettings
from models.vae import TemporalVAE
from training.denoiser import Denoiser
from training.estimates import EstimateDataset, RestorationClip, draw_batch, first_clip
from training.log import Pictures
from training.loop import StepFunction
from training.recipe import SEQUENCE_TERMS, Recipe
from training.terms import changes, distribution_distance, pyramid_l1


@dataclass(frozen=True, slots=True)
class DecoderNetworks:
    """What takes part besides the decoder that is trained.

    Attributes:
        vae: its decoder is trained.
        denoiser: makes the latents; frozen.
        schedule: of the denoiser.
        flow: for the ground truth's motion; frozen.
        features: for the perceptual term; frozen.
        channel_weights: of the layers of ``features``; see ``perceptual_loss``.
        discriminator: trained beside the decoder, where the adversarial term counts.
    """

    vae: TemporalVAE
    denoiser: Denoiser
    schedule: DiffusionSchedule
    flow: SPyNet | None = None
    features: FeatureNetwork | None = None
    channel_weights: tuple[Tensor, ...] | None = None
    discriminator: PatchDiscriminator | None = None

    @property
    def judges(self) -> Judges:
        """What the sequence-oriented loss needs."""
        scores = None if self.discriminator is None else self._scores
        return Judges(self.features, self.channel_weights, scores, self.vae.last_layer)

    def motion(self, frames: Tensor) -> Motion:
        """Flow and occlusion of one clip ``[t, 3, H, W]`` in [-1, 1], without gradient."""
        with torch.no_grad():
            assert self.flow is not None
            pictures = (frames + 1) / 2
            first, second = pictures[:-1], pictures[1:]
            return Motion.from_flow(self.flow(first, second), self.flow(second, first))

    def restore(
        self, clip: RestorationClip, recipe: Recipe, generator: torch.Generator, fusion_weight: float = 1.0
    ) -> Tensor:
        """Sample latents from the clip's estimate and decode them, ``[n, 3, H, W]`` in about [-1, 1]."""
        vae = self.vae
        with torch.no_grad():
            encoded = vae.encode(clip.estimate * 2 - 1)
            structure = encoded.mean * vae.config.scaling_factor
            latents = denoised_latents(self.denoiser, self.schedule, structure, recipe, generator)
        return vae.decode(latents / vae.config.scaling_factor, encoded.features, fusion_weight, recipe.frames)

    def _scores(self, frames: Tensor) -> Tensor:
        """What the discriminator thinks, as the decoder's teacher: it learns nothing from it itself."""
        assert self.discriminator is not None
        self.discriminator.requires_grad_(False)
        try:
            return self.discriminator(frames)
        finally:
            self.discriminator.requires_grad_(True)


@torch.no_grad()
def denoised_latents(
    denoiser: Denoiser,
    schedule: DiffusionSchedule,
    structure: Tensor,
    recipe: Recipe,
    generator: torch.Generator,
) -> Tensor:
    """Noise the estimate's scaled latents [N, C, h, w] to the start level and denoise them again (DDIM, eta 0).

    The steps are those of restoration (``models.steps``), without guidance.
    """
    settings = SamplerSettings(recipe.sampling_steps, recipe.sampling_start, solver="ddim")
    steps = GuidedSteps(schedule, settings, motion=None)
    noise = torch.randn(structure.shape, generator=generator).to(structure)
    latents = steps.noised(structure, noise)
    for step in range(settings.steps):
        timestep = torch.tensor([steps.timestep(step)], device=structure.device)
        predicted = denoiser(latents, structure, timestep, recipe.frames)
        latents, _ = steps.advance(latents, predicted, step, noise=None)
    return latents


def decoder_step(networks: DecoderNetworks, clips: EstimateDataset, recipe: Recipe) -> StepFunction:
    """Make the step function: the weighed terms of the sequence-oriented loss, and those of ``training.terms``.

    The discriminator's own loss is one more term: it reaches no weight of the decoder, and the adversarial term none of
    the discriminator's, so one optimiser serves both.
    """
    vae = networks.vae
    weights = DecoderLossWeights(
        **{name: recipe.terms.get(name, 0.0) for name in SEQUENCE_TERMS}, adversarial_start=recipe.adversarial_start
    )

    def step(number: int, generator: torch.Generator) -> Mapping[str, Tensor]:
        clip = draw_batch(clips, recipe, generator, vae.device)
        target = clip.target * 2 - 1
        restored = networks.restore(clip, recipe, generator, drawn_fusion_weight(recipe, generator))
        loss = sequence_loss(restored, target, networks.motion, recipe.frames, number, networks.judges, weights)
        terms = {**loss.terms, "pyramid": pyramid_l1(restored, target)}
        if recipe.terms.get("distribution"):
            terms["distribution"] = distribution_distance(restored, target, generator)
        if recipe.terms.get("motion_distribution"):
            ours, theirs = (changes(frames.unflatten(0, (-1, recipe.frames))) for frames in (restored, target))
            terms["motion_distribution"] = distribution_distance(ours, theirs, generator)
        if "adversarial" in terms:
            assert networks.discriminator is not None
            terms["adversarial"] = terms["adversarial"] * loss.adversarial_weight / weights.adversarial
            terms["discriminator"] = discriminator_loss(networks.discriminator, restored, target)
        return terms

    return step


def drawn_fusion_weight(recipe: Recipe, generator: torch.Generator) -> float:
    """What the estimate's features weigh in one step: 1, but for the recipe's share of steps (``fusion_drawn``)."""
    if not recipe.fusion_drawn or torch.rand((), generator=generator).item() >= recipe.fusion_drawn:
        return 1.0
    alone, weight = torch.rand(2, generator=generator).tolist()
    return 0.0 if alone < 0.5 else 1.5 * weight


def decoder_pictures(networks: DecoderNetworks, clips: EstimateDataset, recipe: Recipe) -> Pictures:
    """Estimate, restored, target; always of the same clip and noise."""
    clip = first_clip(clips, recipe, networks.vae.device)

    def pictures() -> Mapping[str, Tensor]:
        restored = networks.restore(clip, recipe, torch.Generator().manual_seed(recipe.seed))
        return {"estimate": clip.estimate * 2 - 1, "restored": restored, "target": clip.target * 2 - 1}

    return pictures
