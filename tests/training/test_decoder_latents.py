"""The decoder learns from latents as restoration makes them: the same timesteps, the same arithmetic."""

from __future__ import annotations

from typing import Any

import torch
from model_folders import make_denoiser
from stage_runs import RECIPES
from torch import Tensor

from models.sampler import sample_chunk
from models.schedule import DiffusionSchedule
from models.steps import SamplerSettings
from models.windowed import WindowSettings
from pipeline.config import load_config
from training.decoder import denoised_latents
from training.denoiser import Denoiser
from training.recipe import load_recipe

SCHEDULE = DiffusionSchedule.base()


def told(denoiser: Denoiser) -> list[list[int]]:
    """A list that gets the timesteps that the UNet is told, call by call."""
    timesteps: list[list[int]] = []

    def note(module: torch.nn.Module, args: tuple[Any, ...]) -> None:
        timesteps.append(args[1].flatten().unique().tolist())

    denoiser.unet.register_forward_pre_hook(note)
    return timesteps


def test_the_decoder_is_trained_on_latents_of_the_timesteps_that_restoration_visits() -> None:
    recipe, usual = load_recipe(RECIPES / "decoder.yaml"), load_config().sample
    assert (recipe.sampling_steps, recipe.sampling_start) == (usual.steps, usual.start) and usual.solver == "ddim"
    torch.manual_seed(2)
    denoiser = Denoiser(*make_denoiser(latent_channels=4, width=16, structure_channels=8)).eval()
    structure = torch.randn(recipe.frames, 4, 8, 8)
    timesteps = told(denoiser)
    trained = denoised_latents(denoiser, SCHEDULE, structure, recipe, torch.Generator().manual_seed(3))
    visited = [*timesteps]
    timesteps.clear()

    noise = torch.randn(structure.shape, generator=torch.Generator().manual_seed(3))

    def draw(frame: int, step: int | str) -> Tensor:
        return noise[frame]

    settings = SamplerSettings(
        usual.steps, usual.start, usual.solver, usual.last_window, WindowSettings(num_frames=recipe.frames)
    )
    restored = sample_chunk(denoiser.unet, denoiser.structure_encoder, SCHEDULE, structure, None, draw, settings)
    assert visited == timesteps == [[300], [150], [0]]
    torch.testing.assert_close(trained, restored, rtol=1e-4, atol=1e-5)
