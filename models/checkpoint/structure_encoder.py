"""The published structure encoder: configuration and key names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

from diffusers.models.attention_processor import Attention
from torch import Tensor

from models.checkpoint import blocks
from models.checkpoint.renaming import Modules, Part, rename
from models.structure_encoder import StructureEncoder, StructureLevel

PREFIX = "structcond_stage_model."
"""Prefix of this network's tensors in the published diffusion checkpoint."""


def from_official_config(official: Mapping[str, Any]) -> dict[str, Any]:
    """Translate the published constructor's arguments to those of ``StructureEncoder``.

    Raises:
        CheckpointError: an option asks for something the published network does not have.
    """
    return blocks.common_arguments(official)


def load(encoder: StructureEncoder, official: Mapping[str, Tensor], grouped_by_head: bool = True) -> StructureEncoder:
    """Fill ``encoder`` with the published tensors (without ``PREFIX``); see ``rename_structure_encoder``."""
    encoder.load_state_dict(rename_structure_encoder(encoder, official, grouped_by_head))
    return encoder


def rename_structure_encoder(
    encoder: StructureEncoder, official: Mapping[str, Tensor], grouped_by_head: bool = True
) -> dict[str, Tensor]:
    """Return the published tensors under the names of ``encoder``, which may live on the meta device.

    Args:
        encoder: the network to fill.
        official: the tensors, without ``PREFIX``.
        grouped_by_head: layout of the attention's rows; False for ``use_new_attention_order``.

    Raises:
        CheckpointError: tensors are missing, left over or of the wrong shape.
    """
    return rename(encoder, official_names(encoder, grouped_by_head), official)


def official_names(encoder: StructureEncoder, grouped_by_head: bool = True) -> Modules:
    """Return the official name of every module of ``encoder``."""
    names: dict[str, str | Part] = {**blocks.time_embedding(), "conv_in": "input_blocks.0.0"}
    number = 1
    for index, level in enumerate(cast(Iterable[StructureLevel], encoder.levels)):
        for block in range(len(level.resnets)):
            theirs = f"input_blocks.{number}"
            names |= blocks.resnet(f"levels.{index}.resnets.{block}", f"{theirs}.0")
            if level.attentions:
                heads = cast(Attention, level.attentions[block]).heads
                ours = f"levels.{index}.attentions.{block}"
                names |= blocks.attention(ours, f"{theirs}.1", heads, grouped_by_head)
            number += 1
        if level.downsampler is not None:
            names[f"levels.{index}.downsampler.conv"] = f"input_blocks.{number}.0.op"
            number += 1
    names |= blocks.resnet("middle_resnets.0", "middle_block.0")
    if encoder.middle_attention is not None:
        heads = encoder.middle_attention.heads
        names |= blocks.attention("middle_attention", "middle_block.1", heads, grouped_by_head)
    names |= blocks.resnet("middle_resnets.1", "middle_block.2")
    for index in range(len(encoder.outputs)):
        names |= blocks.resnet(f"outputs.{index}", f"fea_tran.{index}")
    return names
