"""Networks' tensors under their official names: the converter's tables, read backwards."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.checkpoint.renaming import Modules, _source

UNET: dict[str, int] = {}
STRUCTURE_ENCODER = {".qkv.weight": 1, ".proj_out.weight": 1}
VAE = {f".attn_1.{name}.weight": 2 for name in ("q", "k", "v", "proj_out")}
"""Weights of ours that are matrices and pointwise convolutions there: ends of names, and of how many dimensions."""


def official_tensors(network: nn.Module, modules: Modules, convolutional: dict[str, int]) -> dict[str, Tensor]:
    """The network's state under official names, with the official shapes.

    Args:
        network: any whose names the tables know.
        modules: its table.
        convolutional: ends of names of weights that are pointwise convolutions, and their number of dimensions.
    """
    found: dict[str, Tensor] = {}
    parts: dict[str, list[tuple[object, Tensor]]] = {}
    for key, value in network.state_dict().items():
        source, part = _source(key, modules)
        if part is None:
            found[source] = value.clone()
        else:
            parts.setdefault(source, []).append((part.pick, value))
    for source, pieces in parts.items():
        found[source] = _assembled(pieces)
    for key in found:
        for end, dimensions in convolutional.items():
            if key.endswith(end) and found[key].ndim == 2:
                found[key] = found[key].reshape(*found[key].shape, *[1] * dimensions)
    return found


def _assembled(pieces: list) -> Tensor:
    """The tensor that each pick takes its piece from: picks of the indices say where each value belongs."""
    rows = sum(len(value) for _, value in pieces)
    whole = torch.empty(rows, *pieces[0][1].shape[1:])
    places = torch.arange(whole.numel()).view(whole.shape)
    for pick, value in pieces:
        whole.view(-1)[pick(places).reshape(-1)] = value.reshape(-1)
    return whole


def random_like(tensors: dict[str, Tensor], seed: int, eight_bits: bool) -> dict[str, Tensor]:
    """Other values of the same names and shapes: every path counts and nothing explodes.

    Args:
        tensors: names and shapes.
        seed: of the values.
        eight_bits: only values that float8_e4m3fn can hold.
    """
    generator = torch.Generator().manual_seed(seed)
    values = {}
    for key, like in sorted(tensors.items()):
        noise = torch.randn(like.shape, generator=generator)
        if key.endswith("temporal_alpha"):
            value = 0.5 + 0.15 * noise
        elif like.ndim > 1:
            value = noise * like[0].numel() ** -0.5
        else:
            value = 1 + 0.1 * noise if key.endswith("weight") else 0.05 * noise
        values[key] = value.to(torch.float8_e4m3fn).float() if eight_bits else value
    return values
