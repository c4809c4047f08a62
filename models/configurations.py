"""Named sizes of the networks: constructor arguments of ``DenoisingUNet``, ``StructureEncoder`` and ``TemporalVAE``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from models.structure_encoder import StructureEncoder
from models.unet import DenoisingUNet
from models.vae import TemporalVAE

Arguments = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Configuration:
    """Arguments of three networks that fit each other."""

    unet: Arguments
    structure_encoder: Arguments
    vae: Arguments

    def build(self) -> tuple[DenoisingUNet, StructureEncoder, TemporalVAE]:
        """Build the three networks, untrained; under ``torch.device("meta")`` without memory."""
        return DenoisingUNet(**self.unet), StructureEncoder(**self.structure_encoder), TemporalVAE(**self.vae)


EMBEDDED = Configuration(
    unet=MappingProxyType(
        {
            "in_channels": 8,
            "out_channels": 8,
            "block_out_channels": (64, 64, 64),
            "layers_per_block": 1,
            "attention_resolutions": (4,),
            "head_channels": 16,
            "cross_attention_dim": None,
            "structure_channels": 32,
            "spade_hidden": 32,
            "norm_groups": 8,
            "num_frames": 5,
        }
    ),
    structure_encoder=MappingProxyType(
        {
            "in_channels": 8,
            "out_channels": 32,
            "block_out_channels": (32, 48, 64),
            "layers_per_block": 1,
            "attention_resolutions": (4,),
            "num_heads": 4,
            "norm_groups": 8,
        }
    ),
    vae=MappingProxyType(
        {
            "latent_channels": 8,
            "block_out_channels": (16, 32, 48),
            "layers_per_block": 1,
            "norm_groups": 8,
            "mid_attention": False,
            "fusion_growth": 16,
            "patch_size": 2,
            "image_fusion": True,
            "num_frames": 5,
            "scaling_factor": 1.0,
        }
    ),
)
"""The small model that comes with the package: no prompt, latents of 8 channels at 1/8 of the output's size.

``scaling_factor`` is what training measures (one over the standard deviation of its latents) and is kept in the model
folder's ``vae/config.json``; 1.0 is only where it starts.
"""

FULL = Configuration(
    unet=MappingProxyType(
        {
            "in_channels": 4,
            "out_channels": 4,
            "block_out_channels": (320, 640, 1280, 1280),
            "layers_per_block": 2,
            "attention_resolutions": (4, 2, 1),
            "head_channels": 64,
            "cross_attention_dim": 1024,
            "structure_channels": 256,
            "spade_hidden": 128,
            "norm_groups": 32,
            "num_frames": 5,
        }
    ),
    structure_encoder=MappingProxyType(
        {
            "in_channels": 4,
            "out_channels": 256,
            "block_out_channels": (256, 256, 512, 512),
            "layers_per_block": 2,
            "attention_resolutions": (4, 2, 1),
            "num_heads": 4,
            "norm_groups": 32,
        }
    ),
    vae=MappingProxyType(
        {
            "latent_channels": 4,
            "block_out_channels": (128, 256, 512, 512),
            "layers_per_block": 2,
            "norm_groups": 32,
            "mid_attention": True,
            "fusion_growth": 32,
            "num_frames": 5,
            "scaling_factor": 0.18215,
        }
    ),
)
"""MGLD-VSR as published, on Stable Diffusion 2.1 (golden README section 13)."""
