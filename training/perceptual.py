"""The judge of the perceptual term: LPIPS where its weights lie on disk, else features of the trained autoencoder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models.losses_adversarial import FeatureNetwork
from models.vae import TemporalVAE
from models.vgg import BLOCKS, VGGFeatures
from training.recipe import LpipsFiles, Recipe


def perceptual_judge(
    recipe: Recipe, vae: TemporalVAE, device: torch.device
) -> tuple[FeatureNetwork | None, tuple[Tensor, ...] | None]:
    """The features that the recipe's perceptual term compares, and the weights of their channels; none if it has none.

    Raises:
        ValueError: see ``lpips_features``.
    """
    if not recipe.terms.get("perceptual"):
        return None, None
    if isinstance(recipe.perceptual, LpipsFiles):
        return lpips_features(recipe.perceptual, device)
    return autoencoder_features(vae), None


def autoencoder_features(vae: TemporalVAE) -> FeatureNetwork:
    """The features that the trained encoder hands to the decoder, and the mean of its latents.

    They were learnt to give pictures back, not to tell kinds of things apart; like those of VGG they hold edges and
    texture apart from brightness.
    """
    first = int(bool(vae.config.image_fusion))  # the picture itself is no feature

    def features(frames: Tensor) -> tuple[Tensor, ...]:
        encoded = vae.encode(frames)
        return (*encoded.features[first:], encoded.mean)

    return features


def lpips_features(files: LpipsFiles, device: torch.device) -> tuple[VGGFeatures, tuple[Tensor, ...] | None]:
    """VGG-16, and LPIPS' weights of its channels, from their usual files.

    Raises:
        ValueError: a file is not what it should be; one line that names it.
    """
    network = VGGFeatures()
    state = {name: value for name, value in _read(files.vgg).items() if name.startswith("features.")}
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise ValueError(f"{files.vgg}: not the weights of VGG-16: {' '.join(str(error).split())[:200]}") from None
    weights = None if files.lpips is None else _channel_weights(files.lpips, device)
    return network.to(device).eval().requires_grad_(False), weights


def _channel_weights(path: Path, device: torch.device) -> tuple[Tensor, ...]:
    state, found = _read(path), []
    for layer, (width, _) in enumerate(BLOCKS):
        name = f"lin{layer}.model.1.weight"
        if name not in state or state[name].numel() != width:
            raise ValueError(f"{path}: not LPIPS' weights for VGG-16: {name} with {width} values is not there")
        found.append(state[name].flatten().float().to(device))
    return tuple(found)


def _read(path: Path) -> dict[str, Any]:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ValueError(f"{path}: cannot be read as weights: {' '.join(str(error).split())[:200]}") from None
    if not isinstance(state, dict):
        raise ValueError(f"{path}: holds no weights by name")
    return state
