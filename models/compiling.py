"""Compilation of networks by torch: fused kernels, and on a GPU whole calls replayed as CUDA graphs."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from models.choices import Compilation

MODES: dict[Compilation, str] = {"kernels": "default", "graphs": "reduce-overhead"}
"""What torch calls them."""


def compile_networks(networks: Iterable[nn.Module], how: Compilation) -> None:
    """Have networks compiled at their first call with inputs of a shape, and again for every other shape.

    Each is compiled as one piece: what torch cannot capture is an error, not a hidden detour. Results differ from
    uncompiled ones by rounding. What has been compiled is kept in torch's cache on the machine's disk
    (TORCHINDUCTOR_CACHE_DIR), so that the next worker only loads it.

    Args:
        networks: changed in place.
        how: ``kernels`` fuses operations, ``graphs`` also records CUDA graphs, ``off`` does nothing.

    Raises:
        ValueError: this machine cannot compile: no C++ compiler (CPU) or no Triton (GPU).
    """
    if how == "off":
        return
    networks = list(networks)
    device = next((parameter.device for network in networks for parameter in network.parameters()), "cpu")
    try:
        torch.compile(lambda x: x + 1, fullgraph=True)(torch.zeros(1, device=device))
    except Exception as error:  # torch has a dozen kinds of it, none of them public
        raise ValueError(f"cannot compile networks on {device}: {str(error).strip().splitlines()[0]}") from error
    for network in networks:
        # The forward method alone: hooks stay outside of what is captured.
        network.forward = torch.compile(network.forward, fullgraph=True, dynamic=False, mode=MODES[how])
