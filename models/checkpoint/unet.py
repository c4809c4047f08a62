"""The published denoising UNet: configuration and key names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

from torch import Tensor

from models.checkpoint import blocks
from models.checkpoint.renaming import CheckpointError, Modules, refuse_unless, rename
from models.unet import DenoisingUNet
from models.unet_blocks import DownLevel, UpLevel

PREFIX = "model.diffusion_model."
"""Prefix of this network's tensors in the published diffusion checkpoint."""

PUBLISHED_SPADE_HIDDEN = 128
"""Not an option of the published constructor."""


def from_official_config(official: Mapping[str, Any]) -> dict[str, Any]:
    """Translate the published constructor's arguments to those of ``DenoisingUNet``.

    Raises:
        CheckpointError: an option asks for something the published network does not have.
    """
    refuse_unless(official, {"use_spatial_transformer": True, "num_classes": None})
    context = official["context_dim"]
    if not isinstance(context, int):
        raise CheckpointError(f"context_dim={context!r} is not supported, only a single width")
    arguments = blocks.common_arguments(official) | {
        "transformer_layers": official.get("transformer_depth", 1),
        "cross_attention_dim": context,
        "structure_channels": official["semb_channels"],
        "spade_hidden": PUBLISHED_SPADE_HIDDEN,
    }
    if "num_frames" in official:
        arguments["num_frames"] = official["num_frames"]
    return arguments


def load(unet: DenoisingUNet, official: Mapping[str, Tensor]) -> DenoisingUNet:
    """Fill ``unet`` with the published tensors (without ``PREFIX``).

    Raises:
        CheckpointError: tensors are missing, left over or of the wrong shape.
    """
    unet.load_state_dict(rename_unet(unet, official))
    return unet


def rename_unet(unet: DenoisingUNet, official: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the published tensors under the names of ``unet``, which may live on the meta device."""
    return rename(unet, official_names(unet), official)


def official_names(unet: DenoisingUNet) -> Modules:
    """Return the official name of every module of ``unet``."""
    names = blocks.time_embedding() | {"conv_in": "input_blocks.0.0", "norm_out": "out.0", "conv_out": "out.2"}
    number = 1
    for index, level in enumerate(cast(Iterable[DownLevel], unet.down_levels)):
        for block in range(len(level.resnets)):
            names |= blocks.resnet(f"down_levels.{index}.resnets.{block}", f"input_blocks.{number}.0")
            names[f"down_levels.{index}.transformers.{block}"] = f"input_blocks.{number}.1"
            number += 1
        if level.downsampler is not None:
            names[f"down_levels.{index}.downsampler.conv"] = f"input_blocks.{number}.0.op"
            number += 1
    names |= blocks.resnet("middle.resnets.0", "middle_block.0") | blocks.resnet("middle.resnets.1", "middle_block.4")
    names |= {
        "middle.temporal_convs.0": "middle_block.1",
        "middle.transformer": "middle_block.2",
        "middle.temporal_attention": "middle_block.3",
        "middle.temporal_convs.1": "middle_block.5",
    }
    number = 0
    for index, up_level in enumerate(cast(Iterable[UpLevel], unet.up_levels)):
        for block in range(len(up_level.resnets)):
            theirs = f"output_blocks.{number}"
            names |= blocks.resnet(f"up_levels.{index}.resnets.{block}", f"{theirs}.0")
            names[f"up_levels.{index}.transformers.{block}"] = f"{theirs}.1"
            number += 1
        # The doubling is the last part of the level's last block: after the transformer, if there is one.
        part = 2 if up_level.transformers else 1
        names[f"up_levels.{index}.upsampler.conv"] = f"output_blocks.{number - 1}.{part}.conv"
    return names
