"""Key names shared by the published UNet and structure encoder."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from torch import Tensor

from models.checkpoint.renaming import CheckpointError, Part, refuse_unless

UNSUPPORTED = {
    "dims": 2,
    "conv_resample": True,
    "use_scale_shift_norm": False,
    "resblock_updown": False,
}
"""Options of the published constructors that the published model leaves as they are, and so does this package."""


def widths(official: Mapping[str, Any]) -> tuple[int, ...]:
    """Return the channels of each level."""
    return tuple(official["model_channels"] * factor for factor in official["channel_mult"])


def common_arguments(official: Mapping[str, Any]) -> dict[str, Any]:
    """Translate what both constructors have in common; CheckpointError for an option that is not supported."""
    refuse_unless(official, UNSUPPORTED)
    blocks = official["num_res_blocks"]
    head_channels = official.get("num_head_channels", -1)
    heads = official.get("num_heads", -1)
    if head_channels == -1 and heads == -1:
        raise CheckpointError("num_heads or num_head_channels must be given")
    arguments = {
        "in_channels": official["in_channels"],
        "out_channels": official["out_channels"],
        "base_channels": official["model_channels"],
        "block_out_channels": widths(official),
        "layers_per_block": blocks if isinstance(blocks, int) else tuple(blocks),
        "attention_resolutions": tuple(official["attention_resolutions"]),
        "head_channels": None if head_channels == -1 else head_channels,
    }
    return arguments if head_channels != -1 else arguments | {"num_heads": heads}


def time_embedding() -> dict[str, str]:
    """Return the names of the two linear layers."""
    return {f"time_embedding.mlp.linear_{i + 1}": f"time_embed.{2 * i}" for i in range(2)}


def resnet(ours: str, theirs: str) -> dict[str, str]:
    """Return the names in a residual block."""
    names = {
        "norm1": "in_layers.0",
        "conv1": "in_layers.2",
        "time_emb_proj": "emb_layers.1",
        "norm2": "out_layers.0",
        "conv2": "out_layers.3",
        "conv_shortcut": "skip_connection",
        "spade.norm": "spade.param_free_norm",
        "spade.shared": "spade.mlp_shared.0",
        "spade.gamma": "spade.mlp_gamma",
        "spade.beta": "spade.mlp_beta",
    }
    return {f"{ours}.{name}": f"{theirs}.{official}" for name, official in names.items()}


def attention(ours: str, theirs: str, heads: int, grouped_by_head: bool) -> dict[str, str | Part]:
    """Return the names in an attention block whose queries, keys and values are one tensor.

    Args:
        ours: name of our block.
        theirs: name of the official one.
        heads: number of attention heads.
        grouped_by_head: whether the tensor's rows are [head 0: q, k, v | head 1: q, k, v | ...] (the published
            layout) or [all q | all k | all v].
    """
    names: dict[str, str | Part] = {f"{ours}.group_norm": f"{theirs}.norm", f"{ours}.to_out.0": f"{theirs}.proj_out"}
    for index, name in enumerate("qkv"):
        pick = partial(_rows, index, heads if grouped_by_head else 1)
        names[f"{ours}.to_{name}"] = Part(f"{theirs}.qkv", pick, name)
    return names


def _rows(index: int, groups: int, value: Tensor) -> Tensor:
    """Return the queries (index 0), keys (1) or values (2) among rows that come in ``groups`` of all three."""
    return value.unflatten(0, (groups, 3, -1))[:, index].flatten(0, 1)
