"""One training stage from recipe to model folder: builds the networks, runs the loop, saves the averaged weights."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from accelerate import Accelerator
from diffusers.models.modeling_utils import ModelMixin
from torch import nn

from models.configurations import EMBEDDED
from models.discriminator import PatchDiscriminator
from models.folder import ModelFolder
from models.structure_encoder import StructureEncoder
from models.unet import DenoisingUNet
from models.vae import TemporalVAE
from training.autoencoder import autoencoder_pictures, autoencoder_step, measure_scaling_factor
from training.clips import ClipDataset
from training.decoder import DecoderNetworks, decoder_pictures, decoder_step
from training.denoiser import Denoiser, denoiser_step
from training.estimate import estimate_pictures, estimate_step, with_cleaning
from training.estimates import CPU, EstimateDataset
from training.loop import TrainingLoop, never, quicken
from training.perceptual import perceptual_judge
from training.recipe import Recipe

NetworkT = TypeVar("NetworkT", bound=nn.Module)


PRECISIONS = {"float32": "no", "bfloat16": "bf16"}
"""What Accelerate calls them."""
PARTS = ("initial_estimate", "vae", "unet", "structure_encoder")
"""What the stages write."""


def train(
    recipe: Recipe,
    data: Path,
    model: Path,
    checkpoints: Path,
    seconds: float = math.inf,
    device: torch.device = CPU,
    stop: Callable[[], bool] = never,
) -> bool:
    """Train one stage for at most ``seconds`` and save its networks into the model folder.

    Args:
        recipe: which stage, and every number of it.
        data: clips with their initial estimates (``training.estimates``); for the stage ``estimate`` itself, the folder
            of prepared clips.
        model: model folder to read the earlier stages' networks from and to write this stage's into.
        checkpoints: state is kept in ``checkpoints/<stage>``; an interrupted stage goes on from there.
        seconds: length of this slice.
        device: where the arithmetic runs.
        stop: asked before every step whether this slice shall end.

    Returns:
        whether the recipe's last step has been reached.

    Raises:
        FileNotFoundError, ValueError: data or model folder lack something, or ``checkpoints`` hold the state of another
            recipe, network or model folder.
    """
    _put_back(model)
    torch.manual_seed(recipe.seed)
    if device.type == "cuda":
        torch.cuda.set_device(device)  # where Accelerate goes by itself
    accelerator = Accelerator(cpu=device.type == "cpu", mixed_precision=PRECISIONS[recipe.precision])
    piece = _Slice(recipe, data, model, checkpoints / recipe.stage, accelerator, seconds, stop)
    return STAGES[recipe.stage](piece)


@dataclass(frozen=True, slots=True)
class _Slice:
    """What the stages share."""

    recipe: Recipe
    data: Path
    model: Path
    checkpoints: Path
    accelerator: Accelerator
    seconds: float
    stop: Callable[[], bool]

    @property
    def folder(self) -> ModelFolder:
        return ModelFolder(self.model)

    @property
    def clips(self) -> EstimateDataset:
        return EstimateDataset(self.data, self.recipe.clips)

    def loop(self, network: nn.Module) -> TrainingLoop:
        return TrainingLoop(network, self.recipe, self.checkpoints, self.accelerator, self.model)

    def frozen(self, network: NetworkT) -> NetworkT:
        """The network on the device, in evaluation mode, without gradients."""
        quicken(network, self.recipe)
        return network.to(self.accelerator.device).eval().requires_grad_(False)

    def save(self, network: ModelMixin, part: str) -> None:
        """Replace a part as a whole, so that a kill leaves the old one or the new one, and a link rather than its end.

        Other stages start from it, and some this one itself.
        """
        folder, draft, old = (self.model / name for name in (part, f".{part}.draft", f".{part}.old"))
        _remove(draft)
        network.save_pretrained(draft)
        _remove(old)
        if folder.is_symlink() or folder.exists():
            folder.rename(old)
        draft.rename(folder)
        _remove(old)


def _remove(path: Path) -> None:
    """Remove a folder with all that is in it, or a link alone, if it is there."""
    if path.is_symlink():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)


def _put_back(model: Path) -> None:
    """Undo a replacement that was killed between the old part's renaming and the new one's."""
    for part in PARTS:
        folder, old = model / part, model / f".{part}.old"
        if (old.is_symlink() or old.exists()) and not (folder.is_symlink() or folder.exists()):
            old.rename(folder)


def _estimate(piece: _Slice) -> bool:
    clips = ClipDataset(piece.data, piece.recipe.seed, piece.recipe.mix)
    network = piece.folder.initial_estimate()
    network = with_cleaning(network, piece.recipe.cleaning_channels, piece.recipe.cleaning_blocks).train()
    loop = piece.loop(network)
    pictures = estimate_pictures(network, clips, piece.recipe)
    loop.run(estimate_step(network, clips, piece.recipe), piece.seconds, pictures, piece.stop)
    loop.apply_average()
    piece.save(network, "initial_estimate")
    return loop.finished


def _autoencoder(piece: _Slice) -> bool:
    vae = TemporalVAE(**EMBEDDED.vae).train()
    loop = piece.loop(vae)
    pictures = autoencoder_pictures(vae, piece.clips, piece.recipe)
    loop.run(autoencoder_step(vae, piece.clips, piece.recipe), piece.seconds, pictures, piece.stop)
    loop.apply_average()
    vae.eval().register_to_config(scaling_factor=measure_scaling_factor(vae, piece.clips))
    piece.save(vae, "vae")
    return loop.finished


def _denoiser(piece: _Slice) -> bool:
    vae, schedule = piece.frozen(piece.folder.vae()), piece.folder.schedule()
    denoiser = Denoiser(DenoisingUNet(**EMBEDDED.unet), StructureEncoder(**EMBEDDED.structure_encoder)).train()
    loop = piece.loop(denoiser)
    pictures = decoder_pictures(DecoderNetworks(vae, denoiser, schedule), piece.clips, piece.recipe)
    loop.run(denoiser_step(denoiser, vae, schedule, piece.clips, piece.recipe), piece.seconds, pictures, piece.stop)
    loop.apply_average()
    piece.save(denoiser.unet, "unet")
    piece.save(denoiser.structure_encoder, "structure_encoder")
    return loop.finished


def _decoder(piece: _Slice) -> bool:
    vae, schedule = piece.frozen(piece.folder.vae()), piece.folder.schedule()
    denoiser = Denoiser(piece.frozen(piece.folder.unet()), piece.frozen(piece.folder.structure_encoder()))
    flow = piece.frozen(piece.folder.flow("spynet"))
    for part in (vae.decoder, vae.post_quant_conv):
        part.requires_grad_(True)
    features, channel_weights = perceptual_judge(piece.recipe, vae, piece.accelerator.device)
    discriminator = None
    if piece.recipe.terms.get("adversarial"):
        discriminator = PatchDiscriminator(base_channels=piece.recipe.discriminator_channels).train()
    trained = nn.ModuleDict({"vae": vae} | ({"discriminator": discriminator} if discriminator else {}))
    loop = piece.loop(trained)
    networks = DecoderNetworks(vae, denoiser, schedule, flow, features, channel_weights, discriminator)
    pictures = decoder_pictures(networks, piece.clips, piece.recipe)
    loop.run(decoder_step(networks, piece.clips, piece.recipe), piece.seconds, pictures, piece.stop)
    loop.apply_average()
    piece.save(vae, "vae")
    return loop.finished


STAGES = {"estimate": _estimate, "autoencoder": _autoencoder, "denoiser": _denoiser, "decoder": _decoder}


def last_losses(checkpoints: Path, stage: str, count: int = 50) -> dict[str, float]:
    """Mean of each value that all of the last ``count`` steps of a stage have logged; nothing if it has taken none."""
    log = checkpoints / stage / "log.jsonl"
    rows = [json.loads(line) for line in log.read_text().splitlines()[-count:]] if log.exists() else []
    # Terms come and go: the discriminator's begin at a step of their own.
    names = [name for name in (rows[0] if rows else ()) if all(name in row for row in rows)]
    return {name: sum(row[name] for row in rows) / len(rows) for name in names}
