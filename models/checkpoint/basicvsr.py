"""Names of the published BasicVSR weights -> names of ``models.basicvsr.BasicVSR``."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

_RULES: tuple[tuple[str, str], ...] = (
    (r"^spynet\.basic_module\.(\d+)\.basic_module\.(\d+)\.", r"flow_network.levels.\1.\2."),
    (r"^(backward|forward)_trunk\.main\.0\.", r"\1_branch.input."),
    (r"^(backward|forward)_trunk\.main\.2\.(\d+)\.", r"\1_branch.blocks.\2."),
    (r"^(fusion|upconv1|upconv2|conv_hr|conv_last)\.", r"\1."),
)


def convert_basicvsr(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename a published state dict (the mapping under its ``params`` key, where it has one).

    Raises:
        KeyError: for a name that is not one of BasicVSR's.
    """
    converted = {}
    for name, tensor in state.items():
        if name in ("spynet.mean", "spynet.std"):
            continue  # ImageNet's, constants of models.spynet
        for pattern, replacement in _RULES:
            renamed, count = re.subn(pattern, replacement, name)
            if count:
                converted[renamed] = tensor
                break
        else:
            raise KeyError(f"not a tensor of BasicVSR: {name}")
    return converted
