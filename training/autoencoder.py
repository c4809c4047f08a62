"""First stage of training: the autoencoder, with the features of the initial estimate already fused into its decoder.

The target's latent and the estimate's features together must give the target back. So the latent learns what the
estimate lacks, and the decoder what both agree upon. Part of the clips are decoded without the features, so that the
latent alone stays a picture.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from models.vae import TemporalVAE
from training.estimates import EstimateDataset, RestorationClip, draw_batch, first_clip
from training.log import Pictures
from training.loop import StepFunction
from training.recipe import Recipe
from training.terms import gaussian_kl, pyramid_l1


def degrade_estimate(clip: RestorationClip, generator: torch.Generator) -> Tensor:
    """Mix the estimate with its target, so that the decoder meets estimates from poor to perfect.

    Returns:
        frames [N, 3, H, W] in [0, 1].
    """
    share = torch.rand((), generator=generator).item()
    return clip.estimate.lerp(clip.target, share * 0.5)


def autoencoder_step(vae: TemporalVAE, clips: EstimateDataset, recipe: Recipe) -> StepFunction:
    """Make the step function: pixel, pyramid and KL terms of one reconstructed clip."""

    def step(number: int, generator: torch.Generator) -> Mapping[str, Tensor]:
        clip = draw_batch(clips, recipe, generator, vae.device)
        target = clip.target * 2 - 1
        encoded = vae.encode(target)
        noise = torch.randn(encoded.mean.shape, generator=generator).to(target)
        with torch.no_grad():
            features = vae.encode(degrade_estimate(clip, generator) * 2 - 1).features
        alone = torch.rand((), generator=generator).item() < recipe.latent_alone
        weight = 0.0 if alone else 1.0
        restored = vae.decode(encoded.sample(noise), features, fusion_weight=weight, num_frames=recipe.frames)
        return {
            "pixel": (restored - target).abs().mean(),
            "pyramid": pyramid_l1(restored, target),
            "kl": gaussian_kl(encoded.mean, encoded.logvar),
        }

    return step


def autoencoder_pictures(vae: TemporalVAE, clips: EstimateDataset, recipe: Recipe) -> Pictures:
    """Target, what the latent alone gives of it, and with the estimate's features."""
    clip = first_clip(clips, recipe, vae.device)

    def pictures() -> Mapping[str, Tensor]:
        target, features = clip.target * 2 - 1, vae.encode(clip.estimate * 2 - 1).features
        latents = vae.encode(target).mean
        alone, whole = (vae.decode(latents, features, weight, recipe.frames) for weight in (0.0, 1.0))
        return {"target": target, "latent alone": alone, "latent and features": whole}

    return pictures


@torch.no_grad()
def measure_scaling_factor(vae: TemporalVAE, clips: EstimateDataset, count: int = 32) -> float:
    """One over the standard deviation of the latents of ``count`` targets: scaled latents have unit variance."""
    latents = [vae.encode(clips[i].target.to(vae.device) * 2 - 1).mean for i in range(min(count, len(clips)))]
    return 1.0 / float(torch.cat(latents).std())


def psnr(a: Tensor, b: Tensor, peak: float = 2.0) -> float:
    """Peak signal-to-noise ratio in dB of two image batches whose values span ``peak``."""
    return float(10 * torch.log10(peak**2 / (a - b).square().mean()))
