"""The recipe of a training stage: one YAML file per stage holds every number that shaped the shipped weights."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from models.noise_levels import first_index, most_steps
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
BETWEEN_FRAMES = ("frame_difference", "motion_distribution", "consistency")
"""Terms that compare neighbouring frames."""


class LpipsFiles(BaseModel):
    """Where the weights of the perceptual distance lie on disk."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    vgg: Path = Field(..., description="VGG-16 by torchvision's key names (vgg16-397923af.pth).")
    lpips: Path | None = Field(
        None, description="LPIPS' weights of its channels (vgg.pth of version 0.1); null weighs all alike."
    )


class Recipe(BaseModel):
    """What all training stages share."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    stage: Literal["estimate", "autoencoder", "denoiser", "decoder"]
    seed: int = Field(0, ge=0, lt=2**32, description="Seed of the order of clips, the crops and every draw of noise.")
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
    def _terms_can_work(self) -> Recipe:
        known = TERMS[self.stage]
        if unknown := set(self.terms) - known:
            raise ValueError(f"terms: {self.stage} has no {min(unknown)}; it has {', '.join(sorted(known))}")
        _check_weights("terms", self.terms.items())
        counting = {name for name, weight in self.terms.items() if weight}
        if not counting - {"discriminator"}:
            names = ", ".join(sorted(known - {"adversarial", "discriminator"}))  # these two count beside others alone
            raise ValueError(f"terms: none counts; give one of {names} a weight above 0")
        if "adversarial" in counting and not counting & {"pixel", "perceptual"}:
            raise ValueError("terms.adversarial: is weighed by pixel and perceptual; give one of them a weight above 0")
        if "adversarial" in counting and "discriminator" not in counting:
            raise ValueError(
                "terms.discriminator: must be above 0 where adversarial counts, or the discriminator learns nothing"
            )
        if self.frames == 1 and (needing := [name for name in BETWEEN_FRAMES if name in counting]):
            raise ValueError(f"frames: is 1; {needing[0]} compares neighbouring frames and needs 2")
        return self

    @model_validator(mode="after")
    def _values_can_work(self) -> Recipe:
        _check_weights("mix", self.mix.items())
        if not any(self.mix.values()):
            kinds = ", ".join(Degradation)
            raise ValueError(f"mix: no kind of damage is ever drawn; give one of {kinds} a weight above 0")
        low, high = self.start_levels
        if not 0 <= low <= high <= 1:
            raise ValueError(f"start_levels: are {low} and {high}; give the lower first, both from 0 to 1")
        if not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError(f"betas: are {self.betas[0]} and {self.betas[1]}; each is at least 0 and below 1")
        most = most_steps("ddim", first_index(self.sampling_start))
        if self.sampling_steps > most:
            raise ValueError(
                f"sampling_steps: are {self.sampling_steps}; sampling_start ({self.sampling_start:g}) leaves room for "
                f"{most}"
            )
        return self


def _check_weights(key: str, weights: Iterable[tuple[str, float]]) -> None:
    for name, weight in weights:
        if weight < 0:
            raise ValueError(f"{key}.{name}: is {weight}; a weight is 0 or more")


def load_recipe(path: Path) -> Recipe:
    """Read a recipe from YAML.

    Raises:
        ValueError: one line that names the file, the key and what is wrong with it.
    """
    try:
        return Recipe.model_validate(yaml.safe_load(path.read_text()))
    except ValidationError as error:
        told = "; ".join(_one_line(found["loc"], found["msg"]) for found in error.errors())
    except (OSError, ValueError, yaml.YAMLError) as error:
        told = " ".join(str(error).split())
    raise ValueError(f"{path}: not a training recipe: {told}")


def _one_line(place: tuple[int | str, ...], message: str) -> str:
    # Checks of the whole recipe have no place: they name the key themselves.
    key = f"{'.'.join(map(str, place))}: " if place else ""
    return key + " ".join(message.removeprefix("Value error, ").split())
