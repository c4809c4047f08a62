"""Named sizes of the networks: constructor arguments of ``DenoisingUNet``, ``StructureEncoder`` and ``TemporalVAE``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Configuration:
    """Arguments of the three networks that belong together."""

    unet: Mapping[str, Any]
    structure_encoder: Mapping[str, Any]
    vae: Mapping[str, Any]


EMBEDDED_VAE: dict[str, Any] = {
    "latent_channels": 8,
    "block_out_channels": (32, 64, 96),
    "layers_per_block": 1,
    "norm_groups": 8,
    "mid_attention": False,
    "fusion_growth": 16,
    "patch_size": 2,
    "image_fusion": True,
    "num_frames": 5,
    "scaling_factor": 1.0,
}

FULL_VAE: dict[str, Any] = {
    "latent_channels": 4,
    "block_out_channels": (128, 256, 512, 512),
    "layers_per_block": 2,
    "norm_groups": 32,
    "mid_attention": True,
    "fusion_growth": 32,
    "num_frames": 5,
    "scaling_factor": 0.18215,
}
