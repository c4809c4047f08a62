"""The recipe of a training stage: one YAML file per stage holds every number that shaped the shipped weights."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from training.clips import DEFAULT_MIX
from training.degradations import Degradation

SEQUENCE_TERMS = ("pixel", "perceptual", "frame_difference", "consistency", "adversarial")
"""Those of ``models.losses_sequence`` that training uses."""
TERMS = {
    "estimate": {"pixel", "cleaning", "frame_difference", "distribution", "motion_distribution"},
    "autoencoder": {"pixel", "pyramid", "kl"},
    "denoiser": {"noise"},
    "decoder": {*SEQUENCE_TERMS, "pyramid", "distribution", "motion_distribution", "discriminator"},
}
"""Stage -> the terms of its loss."""


class LpipsFiles(BaseModel):
    """Where the weights of the perceptual distance lie on disk."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    vgg: Path = Field(..., description="VGG-16 by torchvision's key names (vgg16-397923af.pth).")
    lpips: Path | None = Field(
        None, description="LPIPS' weights of its channels (vgg.pth of version 0.1); null weighs all alike."
    )


class Recipe(BaseModel):
    """What all training stages share."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    stage: Literal["estimate", "autoencoder", "denoiser", "decoder"]
    seed: int = Field(0, ge=0, description="Seed of the order of clips, the crops and every draw of noise.")
    clips: int = Field(600, ge=1, description="Clips whose initial estimates are computed, once, before training.")
    mix: dict[Degradation, float] = Field(
        default_factory=lambda: dict(DEFAULT_MIX), description="How often each kind of degradation is drawn."
    )
    side: int = Field(128, ge=32, multiple_of=16, description="Side of the square target crops in pixels.")
    steps: int = Field(..., ge=1, description="Optimiser steps in all.")
    batch: int = Field(1, ge=1, description="Clips per step.")
    frames: int = Field(5, ge=1, description="Frames per clip.")
    rate: float = Field(2e-4, gt=0, description="Peak learning rate of AdamW, reached after the warm-up.")
    final_rate: float = Field(1e-5, ge=0, description="Learning rate at the last step (cosine decay).")
    warmup: int = Field(50, ge=0, description="Steps of linear warm-up.")
    betas: tuple[float, float] = Field((0.9, 0.99), description="AdamW's moments.")
    weight_decay: float = Field(0.0, ge=0, description="AdamW's weight decay.")
    clip_norm: float = Field(1.0, gt=0, description="Largest norm of the gradient.")
    precision: Literal["float32", "bfloat16"] = Field(
        "float32", description="Precision of convolutions and matrix products; weights and moments are float32."
    )
    ema: float = Field(0.998, ge=0, lt=1, description="Decay of the averaged weights, which are the ones kept.")
    checkpoint_every: int = Field(100, ge=1, description="Steps between checkpoints.")
    terms: dict[str, float] = Field(default_factory=dict, description="Weights of the terms of the loss, by name.")
    cleaning_channels: int = Field(32, ge=4, description="Width of the initial estimate's cleaning module.")
    cleaning_blocks: int = Field(8, ge=1, description="Residual blocks of the cleaning module.")
    start_levels: tuple[float, float] = Field(
        (0.0, 1.0), description="Range of noise levels (as parts of the schedule) that the denoiser is trained on."
    )
    latent_alone: float = Field(
        0.25, ge=0, le=1, description="Share of the autoencoder's steps without fused features: the latent alone."
    )
    fusion_drawn: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Share of the decoder's steps in which the fused features do not weigh 1: half of these leave them "
        "out, half draw their weight between 0 and 1.5.",
    )
    sampling_steps: int = Field(3, ge=1, description="Steps with which the decoder's training latents are denoised.")
    sampling_start: float = Field(0.3, gt=0, le=1, description="Noise level at which that denoising starts.")
    perceptual: Literal["autoencoder"] | LpipsFiles = Field(
        "autoencoder",
        description="Judge of the decoder's perceptual term: features of the trained encoder, or the files of LPIPS.",
    )
    adversarial_start: int = Field(
        501, ge=0, description="First of the decoder's steps, from 0, that has a discriminator, if that term counts."
    )
    discriminator_channels: int = Field(32, ge=4, description="Width of the discriminator's first layer.")

    @model_validator(mode="after")
    def _terms_are_known(self) -> Recipe:
        unknown = set(self.terms) - TERMS[self.stage]
        if unknown:
            raise ValueError(
                f"terms: {self.stage} has no {min(unknown)}; it has {', '.join(sorted(TERMS[self.stage]))}"
            )
        return self


def load_recipe(path: Path) -> Recipe:
    """Read a recipe from YAML.

    Raises:
        ValueError: one line that names the file and what is wrong with it.
    """
    try:
        return Recipe.model_validate(yaml.safe_load(path.read_text()))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ValueError(f"{path}: not a training recipe: {' '.join(str(error).split())}") from error
