"""Names of the published RAFT weights ("things") -> names of ``models.raft.RAFT``."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

_RULES: tuple[tuple[str, str], ...] = (
    (r"^fnet\.", "feature_encoder."),
    (r"^cnet\.", "context_encoder."),
    (r"^update_block\.encoder\.convc", "motion_encoder.correlation"),
    (r"^update_block\.encoder\.convf", "motion_encoder.flow"),
    (r"^update_block\.encoder\.conv\.", "motion_encoder.fuse."),
    (r"^update_block\.gru\.conv([zrq])1\.", r"gru_horizontal.\1."),
    (r"^update_block\.gru\.conv([zrq])2\.", r"gru_vertical.\1."),
    (r"^update_block\.flow_head\.conv1\.", "flow_head.0."),
    (r"^update_block\.flow_head\.conv2\.", "flow_head.2."),
    (r"^update_block\.mask\.", "mask_head."),
)
_ENCODER_RULES: tuple[tuple[str, str], ...] = (
    (r"_encoder\.conv1\.", "_encoder.conv_in."),
    (r"_encoder\.norm1\.", "_encoder.norm_in."),
    (r"_encoder\.conv2\.", "_encoder.conv_out."),
    (r"\.downsample\.0\.", ".skip_conv."),
    (r"\.norm3\.", ".skip_norm."),
)
_GATES = {"z": "update", "r": "reset", "q": "candidate"}
_ALIAS = re.compile(r"\.downsample\.1\.")


def convert_raft(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename a published state dict; a leading ``module.`` is taken off.

    ``downsample.1`` is stored twice, as ``norm3`` too, and taken from there if that is present.

    Raises:
        KeyError: for a name that is not one of RAFT's.
        ValueError: if two names for the same tensor hold different values.
    """
    state = {name.removeprefix("module."): tensor for name, tensor in state.items()}
    converted: dict[str, Tensor] = {}
    for name, tensor in state.items():
        renamed = _rename(_ALIAS.sub(".norm3.", name))
        if renamed in converted and not converted[renamed].equal(tensor):
            raise ValueError(f"{name} differs from its other name's tensor")
        converted[renamed] = tensor
    return converted


def _rename(name: str) -> str:
    for pattern, replacement in _RULES:
        renamed, count = re.subn(pattern, replacement, name)
        if count:
            break
    else:
        raise KeyError(f"not a tensor of RAFT: {name}")
    renamed = re.sub(r"^(gru_\w+)\.([zrq])\.", lambda found: f"{found[1]}.{_GATES[found[2]]}.", renamed)
    renamed = re.sub(r"\.layer(\d)\.", lambda found: f".stages.{int(found[1]) - 1}.", renamed)
    for pattern, replacement in _ENCODER_RULES:
        renamed = re.sub(pattern, replacement, renamed)
    return renamed
