"""Counting the networks' arithmetic without doing it twice: calls are noted by shape and replayed without data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.sampler_case import Networks
from models.deep_features import DeepFeatures

PARTS = {"unet": "sample", "structure_encoder": "sample", "vae.encoder": "encode", "vae.decoder": "decode"}
"""The networks whose calls are counted, and the part of the work that they belong to."""


class Operations:
    """Floating-point operations of all calls of some networks, a multiply-add counted as two.

    Convolutions and products of matrices are counted, as by ``torch.utils.flop_counter``; the rest is next to nothing.

    Args:
        networks: any on any device; only their configurations are kept.
    """

    def __init__(self, networks: Networks) -> None:
        with torch.device("meta"):
            self._replicas: dict[str, nn.Module] = {
                name: type(network).from_config(network.config).eval()
                for name, network in (
                    ("unet", networks.unet),
                    ("structure_encoder", networks.structure_encoder),
                    ("vae", networks.vae),
                )
            }
        self._calls: list[str] = []  # not a counter: calls come from several threads
        self._arguments: dict[str, tuple[str, Any, Any]] = {}
        self._cost: dict[str, int] = {}

    @contextmanager
    def counted(self, networks: Networks) -> Iterator[None]:
        """Note the calls of these networks inside the block."""
        hooks = [
            _find(networks, name).register_forward_pre_hook(partial(self._note, name), with_kwargs=True)
            for name in PARTS
        ]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def _note(self, name: str, _: nn.Module, positional: tuple[Any, ...], named: dict[str, Any]) -> None:
        arguments = (name, _without_data(positional), _without_data(named))
        key = repr(_shapes(arguments))
        self._arguments.setdefault(key, arguments)
        self._calls.append(key)

    def by_part(self) -> dict[str, int]:
        """Operations by part of all calls noted since the last time, which then count as told."""
        totals = dict.fromkeys(PARTS.values(), 0)
        for key, count in Counter(self._calls).items():
            if key not in self._cost:
                self._cost[key] = self._replay(*self._arguments[key])
            totals[PARTS[self._arguments[key][0]]] += count * self._cost[key]
        self._calls.clear()
        return totals

    @torch.no_grad()
    def _replay(self, name: str, positional: Any, named: Any) -> int:
        first, _, rest = name.partition(".")
        network = self._replicas[first].get_submodule(rest)
        with FlopCounterMode(display=False) as counter:
            network(*positional, **named)
        return counter.get_total_flops()


def _find(networks: Networks, name: str) -> nn.Module:
    first, _, rest = name.partition(".")
    network: nn.Module = getattr(networks, first)
    return network.get_submodule(rest)


def _without_data(value: Any) -> Any:
    """The same tensors, lists and mappings with nothing in the tensors, all of one type."""
    if isinstance(value, Tensor):
        dtype = torch.float32 if value.is_floating_point() else value.dtype
        return torch.empty(value.shape, device="meta", dtype=dtype)
    if isinstance(value, DeepFeatures):
        return DeepFeatures(value.skips, _without_data(value.kept))
    if isinstance(value, Mapping):
        return {key: _without_data(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_without_data(item) for item in value)
    return value


def _shapes(value: Any) -> Any:
    if isinstance(value, Tensor):
        return tuple(value.shape)
    if isinstance(value, DeepFeatures):
        return value.skips, _shapes(value.kept)
    if isinstance(value, Mapping):
        return [(key, _shapes(item)) for key, item in value.items()]
    if isinstance(value, list | tuple):
        return [_shapes(item) for item in value]
    return value
