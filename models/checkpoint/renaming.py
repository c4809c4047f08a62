"""Moving the tensors of a published checkpoint into a network under its own names, each exactly once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor, nn

MAX_NAMED = 20


class CheckpointError(ValueError):
    """The checkpoint does not fit the network; the message names the keys."""


@dataclass(frozen=True, slots=True)
class Part:
    """A module of ours that is a part of an official module's tensors.

    Attributes:
        official: name of the official module.
        pick: takes this module's part out of one official tensor.
        part: which part this is, so that each part of a tensor is known to be taken once.
    """

    official: str
    pick: Callable[[Tensor], Tensor]
    part: str


Modules = Mapping[str, str | Part]
"""Name of a module of ours -> name of the official module that holds its tensors; the longest name that fits counts."""


def select(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the tensors whose key starts with ``prefix``, without it."""
    return {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}


def _source(key: str, modules: Modules) -> tuple[str, Part | None]:
    """Return the official key for our ``key``, and the part of that tensor if not all of it."""
    name = key
    while name not in modules:
        name, dot, _ = name.rpartition(".")
        if not dot:
            raise KeyError(f"no official name is known for {key}")
    target = modules[name]
    rest = key[len(name) :]
    return (target + rest, None) if isinstance(target, str) else (target.official + rest, target)


def _fit(value: Tensor, like: Tensor) -> Tensor:
    """Drop the trailing ones of a pointwise convolution where ours is a linear layer; give ours its type."""
    if like.ndim == 2 and value.ndim > 2 and value.shape[2:].numel() == 1:
        value = value.flatten(1)
    return value.to(like.dtype)


def rename(network: nn.Module, modules: Modules, official: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Translate an official state dict to ``network``'s.

    Args:
        network: gives the keys, shapes and types wanted; may live on the meta device.
        modules: where the tensors of each module are found.
        official: the checkpoint's tensors of this network, all of them and no others.

    Returns:
        a complete state dict for ``network``.

    Raises:
        CheckpointError: tensors are missing, left over or of the wrong shape; all kinds are reported together.
    """
    renamed: dict[str, Tensor] = {}
    missing: list[str] = []
    misshapen: list[str] = []
    taken: dict[tuple[str, str], str] = {}
    for key, like in network.state_dict().items():
        source, part = _source(key, modules)
        claim = (source, "" if part is None else part.part)
        if claim in taken:
            raise KeyError(f"both {taken[claim]} and {key} would be read from {source}")
        taken[claim] = key
        if source not in official:
            missing.append(source)
            continue
        try:
            value = _fit(official[source] if part is None else part.pick(official[source]), like)
        except RuntimeError:
            value = official[source]
        if value.shape != like.shape:
            shape = tuple(official[source].shape)
            misshapen.append(f"{source} {shape} (wanted for {key} {tuple(like.shape)})")
        renamed[key] = value
    unexpected = sorted(set(official) - {source for source, _ in taken})
    complaints = [
        f"{len(keys)} {what}: " + ", ".join(keys[:MAX_NAMED]) + (", ..." if len(keys) > MAX_NAMED else "")
        for what, keys in (
            ("missing", list(dict.fromkeys(missing))),
            ("unexpected", unexpected),
            ("of the wrong shape", misshapen),
        )
        if keys
    ]
    if complaints:
        raise CheckpointError(f"the checkpoint does not fit {type(network).__name__}; " + "; ".join(complaints))
    return renamed


def refuse_unless(official: Mapping[str, object], allowed: Mapping[str, object]) -> None:
    """Raise CheckpointError if an option of an official configuration has a value that this package does not build.

    ``allowed`` maps the name of an option to the one value that is supported; an absent option is fine.
    """
    for name, value in allowed.items():
        if name in official and official[name] != value:
            raise CheckpointError(f"{name}={official[name]!r} is not supported, only {value!r}")
