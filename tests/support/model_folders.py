"""A model folder with small random networks, for tests that need the arithmetic but not the picture."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from models.folder import EMBEDDED_FOLDER
from models.structure_encoder import StructureEncoder
from models.unet import DenoisingUNet
from models.vae import TemporalVAE


def make_model_folder(path: Path) -> Path:
    """Write random networks of a few thousand parameters; flow and initial estimate are the embedded ones."""
    torch.manual_seed(3)
    vae = TemporalVAE(
        latent_channels=4,
        block_out_channels=(8, 8, 8),
        layers_per_block=1,
        norm_groups=4,
        mid_attention=False,
        fusion_growth=4,
        patch_size=2,
        image_fusion=True,
        scaling_factor=1.0,
    )
    unet, structure_encoder = make_denoiser(latent_channels=4, width=8, structure_channels=8)
    for network, part in ((vae, "vae"), (unet, "unet"), (structure_encoder, "structure_encoder")):
        _wake(network)
        network.save_pretrained(path / part)
    (path / "flow").symlink_to(EMBEDDED_FOLDER / "flow")
    (path / "initial_estimate").symlink_to(EMBEDDED_FOLDER / "initial_estimate")
    return path


def make_denoiser(latent_channels: int, width: int, structure_channels: int) -> tuple[DenoisingUNet, StructureEncoder]:
    """Two scales, without attention, ``width`` channels wide."""
    unet = DenoisingUNet(
        in_channels=latent_channels,
        out_channels=latent_channels,
        block_out_channels=(width, width),
        layers_per_block=1,
        attention_resolutions=(),
        head_channels=8,
        cross_attention_dim=None,
        structure_channels=structure_channels,
        spade_hidden=structure_channels,
        norm_groups=4,
    )
    structure_encoder = StructureEncoder(
        in_channels=latent_channels,
        out_channels=structure_channels,
        block_out_channels=(structure_channels, structure_channels),
        layers_per_block=1,
        num_heads=1,
        norm_groups=4,
    )
    return unet, structure_encoder


@torch.no_grad()
def _wake(network: nn.Module) -> None:
    """Give parameters that begin at zero small values: a job whose latents change nothing would test nothing."""
    for parameter in network.parameters():
        if not parameter.any():
            parameter.normal_(std=0.05)
