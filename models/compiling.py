"""Compilation of networks by torch: fused kernels, and on a GPU whole calls replayed as CUDA graphs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any

import torch
from torch import nn

from models.choices import Compilation

MOST_SHAPES = 1 << 16
"""How many shapes of its inputs a network is compiled for, at the most: more than anybody waits for."""
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
        compiled = torch.compile(network.forward, fullgraph=True, dynamic=False, mode=MODES[how])
        network.forward = _for_any_shape(compiled)


def _for_any_shape(compiled: Callable[..., Any]) -> Callable[..., Any]:
    """The same, but with torch's limits out of the way: after eight shapes every new one would be an error."""
    from torch._dynamo import config  # takes a second, which who compiles nothing need not wait

    # At each call, because settings hold for the thread that made them, and whoever sets up need not be who runs.
    limits = {"recompile_limit": MOST_SHAPES, "accumulated_recompile_limit": MOST_SHAPES}

    @wraps(compiled)
    def call(*inputs: Any, **named: Any) -> Any:
        with config.patch(limits):
            return compiled(*inputs, **named)

    return call
