"""Networks read from a model folder, whole or not at all."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import TypeVar

import torch
from diffusers.models.modeling_utils import ModelMixin

from models.stored_files import AGAIN, StoredNetwork

NetworkT = TypeVar("NetworkT", bound=ModelMixin)

_NAMED = 3
"""Of many names this many are told: an error is one line."""


def load_whole(kind: type[NetworkT], stored: StoredNetwork) -> NetworkT:
    """Load a network as ``save_pretrained`` wrote it.

    Args:
        kind: its class.
        stored: what is known of it.

    Returns:
        The network, in evaluation mode, with every tensor at an address of its own.

    Raises:
        ValueError: settings or tensors are missing, of another shape, or not the network's; in one line that names
            the file or folder and a few of them.
    """
    check_whole(kind, stored)  # diffusers takes what fits, and logs the rest
    network = kind.from_pretrained(stored.path, local_files_only=True, use_safetensors=True)
    # Mapped files leave tensors at odd addresses, where the CPU's kernels are slower and round differently.
    for tensor in (*network.parameters(), *network.buffers()):
        tensor.data = tensor.data.clone()
    return network.eval()


def check_whole(kind: type[ModelMixin], stored: StoredNetwork) -> None:
    """Make sure that what is stored is what a network with these settings needs; no tensor is made or read.

    Raises:
        ValueError: see ``load_whole``.
    """
    needed = _needed(kind, stored)
    names = {name for name, _ in stored.tensors}
    wrong = {
        "lacks": needed.keys() - names,
        "has no place for": names - needed.keys(),
        "holds other shapes of": [
            f"{name} ({list(shape)} instead of {list(needed[name])})"
            for name, shape in stored.tensors
            if shape != needed.get(name, shape)
        ],
    }
    if any(wrong.values()):
        what = ", ".join(f"{verb} {_few(names)}" for verb, names in wrong.items() if names)
        raise ValueError(f"{stored.path}: does not hold a whole {kind.__name__}: {what}; {AGAIN}")


def _needed(kind: type[ModelMixin], stored: StoredNetwork) -> dict[str, tuple[int, ...]]:
    """Name and shape of every tensor of a network with these settings."""
    file, known = stored.path / "config.json", inspect.signature(kind.__init__).parameters
    unknown = {key for key in stored.config if not key.startswith("_")} - set(known)
    if unknown:
        raise ValueError(f"{file}: has settings that a {kind.__name__} has not: {_few(unknown)}; {AGAIN}")
    try:
        with torch.device("meta"):
            network = kind.from_config(dict(stored.config))
    # A constructor runs into odd settings in many ways. Lack of memory is none of them: nothing takes any here.
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        why = " ".join((repr(error) if isinstance(error, LookupError) else str(error)).split())
        raise ValueError(f"{file}: a {kind.__name__} cannot be made: {why}; {AGAIN}") from error
    return {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}


def _few(names: Iterable[str]) -> str:
    ordered = sorted(names)
    more = len(ordered) - _NAMED
    return ", ".join(ordered[:_NAMED]) + (f" and {more} more" if more > 0 else "")
