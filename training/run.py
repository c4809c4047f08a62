"""One training stage from recipe to model folder: builds the networks, runs the loop, saves the averaged weights."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from models.configurations import EMBEDDED
from models.folder import ModelFolder
from models.structure_encoder import StructureEncoder
from models.unet import DenoisingUNet
from models.vae import TemporalVAE
from training.autoencoder import autoencoder_step, measure_scaling_factor
from training.decoder import decoder_step
from training.denoiser import Denoiser, denoiser_step
from training.estimates import EstimateDataset
from training.loop import TrainingLoop
from training.recipe import Recipe

NetworkT = TypeVar("NetworkT", bound=nn.Module)


def train(recipe: Recipe, estimates: Path, model: Path, checkpoints: Path, seconds: float = math.inf) -> bool:
    """Train one stage for at most ``seconds`` and save its networks into the model folder.

    Args:
        recipe: which stage, and every number of it.
        estimates: clips with their initial estimates (``training.estimates``).
        model: model folder to read the earlier stages' networks from and to write this stage's into.
        checkpoints: state is kept in ``checkpoints/<stage>``; an interrupted stage goes on from there.
        seconds: length of this slice.

    Returns:
        whether the recipe's last step has been reached.
    """
    torch.manual_seed(recipe.seed)
    clips = EstimateDataset(estimates)
    run = {"autoencoder": _autoencoder, "denoiser": _denoiser, "decoder": _decoder}[recipe.stage]
    return run(recipe, clips, model, checkpoints / recipe.stage, seconds)


def _autoencoder(recipe: Recipe, clips: EstimateDataset, model: Path, checkpoints: Path, seconds: float) -> bool:
    vae = TemporalVAE(**EMBEDDED.vae).train()
    loop = TrainingLoop(vae, recipe, checkpoints)
    loop.run(autoencoder_step(vae, clips, recipe), seconds)
    loop.apply_average()
    vae.eval().register_to_config(scaling_factor=measure_scaling_factor(vae, clips))
    vae.save_pretrained(model / "vae")
    return loop.step >= recipe.steps


def _denoiser(recipe: Recipe, clips: EstimateDataset, model: Path, checkpoints: Path, seconds: float) -> bool:
    folder = ModelFolder(model)
    vae, schedule = frozen(folder.vae()), folder.schedule()
    denoiser = Denoiser(DenoisingUNet(**EMBEDDED.unet), StructureEncoder(**EMBEDDED.structure_encoder)).train()
    loop = TrainingLoop(denoiser, recipe, checkpoints)
    loop.run(denoiser_step(denoiser, vae, schedule, clips, recipe), seconds)
    loop.apply_average()
    denoiser.unet.save_pretrained(model / "unet")
    denoiser.structure_encoder.save_pretrained(model / "structure_encoder")
    return loop.step >= recipe.steps


def _decoder(recipe: Recipe, clips: EstimateDataset, model: Path, checkpoints: Path, seconds: float) -> bool:
    folder = ModelFolder(model)
    vae, schedule = frozen(folder.vae()), folder.schedule()
    denoiser = Denoiser(frozen(folder.unet()), frozen(folder.structure_encoder()))
    for part in (vae.decoder, vae.post_quant_conv):
        part.requires_grad_(True)
    loop = TrainingLoop(vae, recipe, checkpoints)
    loop.run(decoder_step(vae, denoiser, schedule, frozen(folder.flow("spynet")), clips, recipe), seconds)
    loop.apply_average()
    vae.save_pretrained(model / "vae")
    return loop.step >= recipe.steps


def frozen(network: NetworkT) -> NetworkT:
    """The network in evaluation mode, without gradients."""
    return network.eval().requires_grad_(False)


def last_losses(checkpoints: Path, stage: str, count: int = 50) -> dict[str, float]:
    """Mean of each logged value over the last ``count`` steps of a stage."""
    rows = [json.loads(line) for line in (checkpoints / stage / "log.jsonl").read_text().splitlines()[-count:]]
    return {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}
