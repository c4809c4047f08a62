"""A model folder with small random networks, for tests that need the arithmetic but not the picture."""

from __future__ import annotations

from pathlib import Path

import torch

from models.folder import EMBEDDED_FOLDER
from models.structure_encoder import StructureEncoder
from models.unet import DenoisingUNet
from models.vae import TemporalVAE


def make_model_folder(path: Path) -> Path:
    """Write random networks of a few thousand parameters; flow and initial estimate are the embedded ones."""
    torch.manual_seed(3)
    TemporalVAE(
        latent_channels=4,
        block_out_channels=(8, 8, 8),
        layers_per_block=1,
        norm_groups=4,
        mid_attention=False,
        fusion_growth=4,
        patch_size=2,
        image_fusion=True,
        scaling_factor=1.0,
    ).save_pretrained(path / "vae")
    DenoisingUNet(
        in_channels=4,
        out_channels=4,
        block_out_channels=(8, 8),
        layers_per_block=1,
        attention_resolutions=(),
        head_channels=8,
        cross_attention_dim=None,
        structure_channels=8,
        spade_hidden=8,
        norm_groups=4,
    ).save_pretrained(path / "unet")
    StructureEncoder(
        in_channels=4, out_channels=8, block_out_channels=(8, 8), layers_per_block=1, num_heads=1, norm_groups=4
    ).save_pretrained(path / "structure_encoder")
    (path / "flow").symlink_to(EMBEDDED_FOLDER / "flow")
    (path / "initial_estimate").symlink_to(EMBEDDED_FOLDER / "initial_estimate")
    return path
