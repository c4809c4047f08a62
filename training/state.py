"""The state of training as files of moderate size: what is kept elsewhere between slices often has a limit per file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor

FILE_BYTES = 60 * 2**20
"""Largest size of a file, unless a single tensor is larger."""


def save_state(tensors: Mapping[str, Tensor], folder: Path, step: int, file_bytes: int = FILE_BYTES) -> list[str]:
    """Write tensors to ``state-<step>-<part>.safetensors``, each file by an atomic rename.

    Returns:
        the files' names. Other files of the folder are left as they are.
    """
    names = []
    for part, group in enumerate(_groups(tensors, file_bytes)):
        path = folder / f"state-{step}-{part}.safetensors"
        draft = path.with_suffix(".draft")
        save_file(group, draft)
        draft.replace(path)
        names.append(path.name)
    return names


def load_state(folder: Path, names: list[str]) -> dict[str, Tensor]:
    """Read what ``save_state`` wrote."""
    return {name: tensor for file in names for name, tensor in load_file(folder / file).items()}


def _groups(tensors: Mapping[str, Tensor], file_bytes: int) -> list[dict[str, Tensor]]:
    """Fill files one after another, in the order of the tensors."""
    groups: list[dict[str, Tensor]] = [{}]
    filled = 0
    for name, tensor in tensors.items():
        if groups[-1] and filled + tensor.nbytes > file_bytes:
            groups.append({})
            filled = 0
        groups[-1][name] = tensor.contiguous()
        filled += tensor.nbytes
    return groups
