"""The published RAFT ("things"): configuration and key names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from models.checkpoint.renaming import CheckpointError, Modules, refuse_unless, rename
from models.raft import RAFT, Encoder

PREFIX = "flownet_model."
"""Prefix of this network's tensors in the published diffusion checkpoint."""

STANDALONE_PREFIX = "module."
"""Prefix in the checkpoints that RAFT itself was published as."""

ALIAS, ALIASED = ".downsample.1.", ".norm3."
"""The norm of a skip connection is stored under both names."""


def from_official_config(official: Mapping[str, Any]) -> dict[str, Any]:
    """Translate ``{model, iters}`` to arguments of ``RAFT``.

    Raises:
        CheckpointError: it is not the model of normal size.
    """
    refuse_unless(official, {"model": "normal"})
    return {"iterations": official["iters"]} if "iters" in official else {}


def load(raft: RAFT, official: Mapping[str, Tensor]) -> RAFT:
    """Fill ``raft`` with the published tensors (without ``PREFIX``).

    Raises:
        CheckpointError: tensors are missing, left over, of the wrong shape, or differ under their two names.
    """
    raft.load_state_dict(rename_raft(raft, official))
    return raft


def rename_raft(raft: RAFT, official: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the published tensors under the names of ``raft``, which may live on the meta device."""
    official = {name.removeprefix(STANDALONE_PREFIX): tensor for name, tensor in official.items()}
    needed: dict[str, Tensor] = {}
    for name, tensor in official.items():
        known = name.replace(ALIAS, ALIASED)
        twin = needed.setdefault(known, tensor)
        if twin is not tensor and not twin.is_meta and not twin.equal(tensor):
            raise CheckpointError(
                f"{known} and {known.replace(ALIASED, ALIAS)} are one tensor, but their values differ"
            )
    return rename(raft, official_names(raft), needed)


def official_names(raft: RAFT) -> Modules:
    """Return the official name of every module of ``raft``."""
    names = _encoder(raft.feature_encoder, "feature_encoder", "fnet")
    names |= _encoder(raft.context_encoder, "context_encoder", "cnet")
    motion = {"correlation1": "convc1", "correlation2": "convc2", "flow1": "convf1", "flow2": "convf2", "fuse": "conv"}
    names |= {f"motion_encoder.{ours}": f"update_block.encoder.{theirs}" for ours, theirs in motion.items()}
    for number, unit in enumerate(("gru_horizontal", "gru_vertical"), start=1):
        for gate, letter in (("update", "z"), ("reset", "r"), ("candidate", "q")):
            names[f"{unit}.{gate}"] = f"update_block.gru.conv{letter}{number}"
    names |= {"flow_head.0": "update_block.flow_head.conv1", "flow_head.2": "update_block.flow_head.conv2"}
    return names | {f"mask_head.{layer}": f"update_block.mask.{layer}" for layer in (0, 2)}


def _encoder(encoder: Encoder, ours: str, theirs: str) -> dict[str, str]:
    names = {f"{ours}.conv_in": f"{theirs}.conv1", f"{ours}.norm_in": f"{theirs}.norm1"}
    names[f"{ours}.conv_out"] = f"{theirs}.conv2"
    block_names = {"conv1": "conv1", "norm1": "norm1", "conv2": "conv2", "norm2": "norm2"}
    block_names |= {"skip_conv": "downsample.0", "skip_norm": "norm3"}
    for level in range(len(encoder.stages)):
        for block in range(2):
            for mine, official in block_names.items():
                names[f"{ours}.stages.{level}.{block}.{mine}"] = f"{theirs}.layer{level + 1}.{block}.{official}"
    return names
