"""Writing a safetensors file tensor by tensor, so that one tensor is in memory at a time.

``safetensors.torch.save_file`` wants all of them at once; the files are the same to the byte.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor

from models.checkpoint.renaming import CheckpointError

NAMES = {torch.float32: "F32", torch.float16: "F16", torch.int64: "I64"}
"""The types that are written."""

METADATA = {"format": "pt"}


def write_safetensors(path: Path, tensors: Mapping[str, Tensor], dtype: torch.dtype) -> int:
    """Write tensors, floating-point ones as ``dtype`` and whole numbers as int64; return the size in bytes.

    Raises:
        CheckpointError: a value is not finite, or not in ``dtype``.
    """
    types = {name: dtype if tensor.is_floating_point() else torch.int64 for name, tensor in tensors.items()}
    # The library's order: widest type first, then by name.
    order = sorted(tensors, key=lambda name: (-types[name].itemsize, name))
    with path.open("wb") as stream:
        stream.write(_header(tensors, types, order))
        for name in order:
            _write(stream, name, tensors[name], types[name])
        stream.flush()
        os.fsync(stream.fileno())
        return stream.tell()


def _header(tensors: Mapping[str, Tensor], types: Mapping[str, torch.dtype], order: list[str]) -> bytes:
    entries: dict[str, object] = {"__metadata__": METADATA}
    offset = 0
    for name in order:
        end = offset + tensors[name].numel() * types[name].itemsize
        shape = list(tensors[name].shape)
        entries[name] = {"dtype": NAMES[types[name]], "shape": shape, "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def _write(stream: BinaryIO, name: str, tensor: Tensor, dtype: torch.dtype) -> None:
    value = tensor.to(dtype).contiguous()
    if dtype.is_floating_point and not torch.isfinite(value).all():
        if torch.isfinite(tensor).all():
            raise CheckpointError(f"{name} holds values that float16 cannot; convert to float32")
        raise CheckpointError(f"{name} holds values that are not numbers: the checkpoint is damaged")
    stream.write(value.reshape(-1).view(torch.uint8).numpy().data)
