"""Weights from a formula instead of a file (golden README, section 5)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


def hashed_uniform(key_index: int, count: int, seed: int) -> np.ndarray:
    """``count`` float64 numbers in [-1, 1) for one key: splitmix64 of its index and each element's."""
    with np.errstate(over="ignore"):
        z = np.arange(count, dtype=np.uint64) + np.uint64(key_index << 32)
        z += np.uint64(0x9E3779B97F4A7C15 * (seed + 1) % 2**64)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    return (z >> np.uint64(11)).astype(np.float64) * 2.0**-53 * 2 - 1


def generate_weights(keys: Sequence[tuple[int, str, Sequence[int]]], seed: int) -> dict[str, Tensor]:
    """A state dict for RAFT's keys.

    Args:
        keys: index, name and shape of each tensor.
        seed: of the formula.
    """
    state = {}
    for index, name, shape in keys:
        count = math.prod(shape)
        state[name] = torch.from_numpy(_values(name, shape, hashed_uniform(index, count, seed))).reshape(tuple(shape))
    for name in state:
        if ".downsample.1." in name:
            state[name] = state[name.replace(".downsample.1.", ".norm3.")]
    return state


def _values(name: str, shape: Sequence[int], u: np.ndarray) -> np.ndarray:
    if name.endswith("num_batches_tracked"):
        return np.zeros(u.shape, np.int64)
    if name.endswith("running_mean"):
        values = 0.1 * u
    elif name.endswith("running_var"):
        values = 1 + 0.5 * u
    elif len(shape) == 4:
        values = 1.2 * u * math.sqrt(3 / math.prod(shape[1:]))
    elif name.endswith("bias"):
        values = 0.05 * u
    else:
        values = 1 + 0.1 * u
    if "flow_head.conv2" in name:
        values = 0.1 * values
    return values.astype(np.float32)
