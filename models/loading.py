"""Networks read from a model folder, whole or not at all."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from diffusers.models.modeling_utils import ModelMixin

from models.stored_files import AGAIN

NetworkT = TypeVar("NetworkT", bound=ModelMixin)

_NAMED = 3
"""Of many names this many are told: an error is one line."""


def load_whole(kind: type[NetworkT], path: Path, config: Mapping[str, Any]) -> NetworkT:
    """Load a network as ``save_pretrained`` wrote it; diffusers itself takes what fits and logs the rest.

    Args:
        kind: its class.
        path: the folder of its configuration and weights.
        config: what the configuration says.

    Returns:
        The network, in evaluation mode, with every tensor at an address of its own.

    Raises:
        ValueError: settings or tensors are missing, of another shape, or not the network's; in one line that names
            the file or folder and a few of them.
    """
    unknown = {key for key in config if not key.startswith("_")} - set(inspect.signature(kind.__init__).parameters)
    if unknown:
        raise ValueError(f"{path}/config.json: has settings that a {kind.__name__} has not: {_few(unknown)}; {AGAIN}")
    try:
        network, found = kind.from_pretrained(
            path,
            local_files_only=True,
            use_safetensors=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # to be told of all, below
        )
    except (ArithmeticError, TypeError, ValueError) as error:
        why = " ".join(str(error).split())
        raise ValueError(f"{path}/config.json: a {kind.__name__} cannot be made: {why}; {AGAIN}") from error
    shapes = [f"{name} ({list(stored)} instead of {list(needed)})" for name, stored, needed in found["mismatched_keys"]]
    wrong = {
        "lacks": found["missing_keys"],
        "has no place for": found["unexpected_keys"],
        "holds other shapes of": shapes,
    }
    if any(wrong.values()):
        what = ", ".join(f"{verb} {_few(names)}" for verb, names in wrong.items() if names)
        raise ValueError(f"{path}: does not hold a whole {kind.__name__}: {what}; {AGAIN}")
    # Mapped files leave tensors at odd addresses, where the CPU's kernels are slower and round differently.
    for tensor in (*network.parameters(), *network.buffers()):
        tensor.data = tensor.data.clone()
    return network.eval()


def _few(names: Iterable[str]) -> str:
    ordered = sorted(names)
    more = len(ordered) - _NAMED
    return ", ".join(ordered[:_NAMED]) + (f" and {more} more" if more > 0 else "")
