"""Second stage of training: the denoising UNet and the structure encoder (golden README, section 16).

The target's latent is noised, each frame with a timestep and noise of its own, and the UNet predicts the noise; the
structure encoder sees the latent of the initial estimate.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from models.schedule import DiffusionSchedule
from models.structure_encoder import StructureEncoder
from models.unet import DenoisingUNet
from models.vae import TemporalVAE
from training.estimates import EstimateDataset, draw_batch
from training.loop import StepFunction
from training.recipe import Recipe


class Denoiser(nn.Module):
    """UNet and structure encoder as one trainable network."""

    def __init__(self, unet: DenoisingUNet, structure_encoder: StructureEncoder) -> None:
        super().__init__()
        self.unet, self.structure_encoder = unet, structure_encoder

    def forward(self, latents: Tensor, structure: Tensor, timesteps: Tensor, num_frames: int) -> Tensor:
        """Predict the noise in ``latents`` [N, C, h, w]; ``timesteps`` has one entry for all frames or one each."""
        features = self.structure_encoder(structure, timesteps)
        return self.unet(latents, timesteps, None, features, num_frames=num_frames)


def denoiser_step(
    denoiser: Denoiser, vae: TemporalVAE, schedule: DiffusionSchedule, clips: EstimateDataset, recipe: Recipe
) -> StepFunction:
    """Make the step function: mean squared error of the predicted noise."""
    abar = torch.as_tensor(schedule.alphas_cumprod, dtype=torch.float32, device=vae.device)
    low, high = (round(level * (len(abar) - 1)) for level in recipe.start_levels)

    def step(number: int, generator: torch.Generator) -> Mapping[str, Tensor]:
        clip = draw_batch(clips, recipe, generator, vae.device)
        with torch.no_grad():
            scale = vae.config.scaling_factor
            target = vae.encode(clip.target * 2 - 1).mean * scale
            structure = vae.encode(clip.estimate * 2 - 1).mean * scale
        timesteps = torch.randint(low, high + 1, (target.shape[0],), generator=generator).to(target.device)
        noise = torch.randn(target.shape, generator=generator).to(target)
        level = abar[timesteps][:, None, None, None]
        noisy = level.sqrt() * target + (1 - level).sqrt() * noise
        predicted = denoiser(noisy, structure, timesteps, recipe.frames)
        return {"noise": (predicted - noise).square().mean()}

    return step
