"""Third stage of training: the temporal decoder with the sequence-oriented loss, on latents that the denoiser produced.

The encoder stays as it is. Unlike the published training, flows and edges come from the ground truth and the warped
frames are the reconstruction's, so that the consistency loss reaches the decoder.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import torch
from torch import Tensor

from models.guidance import Motion
from models.losses import corrected_consistency_loss, edge_weights, frame_difference_loss
from models.schedule import DiffusionSchedule
from models.spynet import SPyNet
from models.vae import TemporalVAE
from training.denoiser import Denoiser
from training.estimates import EstimateDataset, RestorationClip, draw_batch
from training.loop import StepFunction
from training.recipe import Recipe
from training.terms import pyramid_l1


@torch.no_grad()
def denoised_latents(
    denoiser: Denoiser,
    schedule: DiffusionSchedule,
    structure: Tensor,
    recipe: Recipe,
    generator: torch.Generator,
) -> Tensor:
    """Noise the estimate's scaled latents [N, C, h, w] to the start level and denoise them again (DDIM, eta 0)."""
    abar = torch.as_tensor(schedule.alphas_cumprod, dtype=torch.float32, device=structure.device)
    levels = torch.linspace(recipe.sampling_start * (len(abar) - 1), 0, recipe.sampling_steps + 1).round().long()
    levels = levels.to(structure.device)
    noise = torch.randn(structure.shape, generator=generator).to(structure)
    latents = abar[levels[0]].sqrt() * structure + (1 - abar[levels[0]]).sqrt() * noise
    for now, following in pairwise(levels):
        predicted = denoiser(latents, structure, now[None], recipe.frames)
        clean = (latents - (1 - abar[now]).sqrt() * predicted) / abar[now].sqrt()
        at_end = bool(following == 0)
        latents = clean if at_end else abar[following].sqrt() * clean + (1 - abar[following]).sqrt() * predicted
    return latents


def decoder_step(
    vae: TemporalVAE,
    denoiser: Denoiser,
    schedule: DiffusionSchedule,
    flow: SPyNet,
    clips: EstimateDataset,
    recipe: Recipe,
) -> StepFunction:
    """Make the step function: pixel, pyramid, frame-difference and structure-weighted consistency terms."""

    def step(number: int, generator: torch.Generator) -> Mapping[str, Tensor]:
        clip = draw_batch(clips, recipe, generator, vae.device)
        target = clip.target * 2 - 1
        with torch.no_grad():
            encoded = vae.encode(clip.estimate * 2 - 1)
            structure = encoded.mean * vae.config.scaling_factor
            latents = denoised_latents(denoiser, schedule, structure, recipe, generator)
        features = tuple(feature.detach() for feature in encoded.features)
        unscaled = latents / vae.config.scaling_factor
        restored = vae.decode(unscaled, features, fusion_weight=1.0, num_frames=recipe.frames)
        return {
            "pixel": (restored - target).abs().mean(),
            "pyramid": pyramid_l1(restored, target),
            **_temporal_terms(restored, target, clip, flow, recipe),
        }

    return step


def _temporal_terms(
    restored: Tensor, target: Tensor, clip: RestorationClip, flow: SPyNet, recipe: Recipe
) -> Mapping[str, Tensor]:
    per_clip = recipe.frames
    differences, consistencies = [], []
    for start in range(0, len(target), per_clip):
        truth, ours = target[start : start + per_clip], restored[start : start + per_clip]
        frames = clip.target[start : start + per_clip]
        with torch.no_grad():
            motion = Motion.from_flow(flow(frames[:-1], frames[1:]), flow(frames[1:], frames[:-1]))
        differences.append(frame_difference_loss(ours, truth))
        consistencies.append(corrected_consistency_loss(ours, edge_weights(truth), motion))
    return {"difference": torch.stack(differences).mean(), "consistency": torch.stack(consistencies).mean()}
