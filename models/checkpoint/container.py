"""Opening a published checkpoint file without running anything in it and without holding it in memory.

Such a file is what ``torch.save`` writes: a pickle, and beside it the tensors' bytes, in one zip archive (before torch
1.6: one after the other). The tensors stand under ``state_dict``, or are all there is.
"""

from __future__ import annotations

import pickle
import warnings
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.serialization import get_unsafe_globals_in_checkpoint, safe_globals

from models.checkpoint.renaming import CheckpointError

STATE = "state_dict"
WRAPPED = "module."
"""What DistributedDataParallel puts before every name."""

HARMLESS_PACKAGES = frozenset({"pytorch_lightning", "lightning", "lightning_fabric", "omegaconf", "numpy"})
"""The state of training names classes of these beside the tensors. Nothing of them is imported, called or kept."""

_START_LENGTH = 512


def read_tensors(path: Path, expected: str) -> dict[str, Tensor]:
    """Open a checkpoint; tensors are mapped from the file where its format allows, so they cost no memory until read.

    Args:
        path: the file.
        expected: what the file should have been, for the messages.

    Returns:
        the tensors by name, without the ``module.`` of one that was trained on several devices.

    Raises:
        CheckpointError: the file is something else, is incomplete, or asks for code to be run.
        OSError: it cannot be read.
    """
    complaint = _foreign_kind(path)
    if complaint:
        raise CheckpointError(f"{path}: {complaint}; expected {expected}")
    content = _unpickle(path, expected)
    state = content.get(STATE, content) if isinstance(content, Mapping) else None
    if not isinstance(state, Mapping):
        raise CheckpointError(f"{path}: holds no tensors by name; expected {expected}")
    others = [str(key) for key, value in state.items() if not (isinstance(key, str) and isinstance(value, Tensor))]
    if others or not state:
        found = _told(others, state is not content, len(state)) if others else "is empty"
        raise CheckpointError(f"{path}: {found}; expected {expected}")
    wrapped = all(key.startswith(WRAPPED) for key in state)
    return {key.removeprefix(WRAPPED) if wrapped else key: value.detach() for key, value in state.items()}


def _told(others: Sequence[str], within: bool, number: int) -> str:
    """Say what stands among the tensors, or instead of them: under ``STATE``, or where that is not there."""
    names = ", ".join(others[:5]) + (", ..." if len(others) > 5 else "")
    if within:
        return f"its '{STATE}' holds more than tensors by name: {names}"
    return f"holds no '{STATE}'{', but' if len(others) == number else ', and beside tensors'} {names}"


def _foreign_kind(path: Path) -> str | None:
    """Say what the file is if its first bytes show that it is no checkpoint."""
    with path.open("rb") as stream:
        start = stream.read(_START_LENGTH)
    if not start:
        return "is empty"
    if start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        return "is a web page, which is what a download behind a login leaves"
    if start.startswith(b"version https://git-lfs"):
        return "is a Git LFS pointer, not the file that it points to"
    if start[8:9] == b"{" and int.from_bytes(start[:8], "little") < path.stat().st_size:
        return "is a safetensors file"
    if start.startswith(b"PK"):
        return None if zipfile.is_zipfile(path) else "is incomplete: its end is missing"
    return None if start.startswith(b"\x80") else "is not a PyTorch checkpoint"


def _unpickle(path: Path, expected: str) -> Any:
    zipped = zipfile.is_zipfile(path)
    try:
        with safe_globals(_stand_ins(path, expected) if zipped else []), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)
    except pickle.UnpicklingError as error:
        # torch wraps its own finding in advice; the finding is what the error was raised from.
        reason = str(error.__context__ or error).partition("Please use")[0].strip(" .")[:200]
        raise CheckpointError(
            f"{path}: its pickle holds more than tensors and plain values ({' '.join(reason.split())}); "
            f"nothing of it was run; expected {expected}"
        ) from error
    except (RuntimeError, EOFError, ValueError, KeyError, AttributeError, TypeError, IndexError, MemoryError) as error:
        # A damaged pickle can fail in any of these ways.
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(f"{path}: is not a whole PyTorch checkpoint ({reason}); expected {expected}") from error


def _stand_ins(path: Path, expected: str) -> list[Callable[..., Any] | tuple[Callable[..., Any], str]]:
    """Return an empty class for every harmless name that the pickle mentions; refuse any other."""
    names = sorted(get_unsafe_globals_in_checkpoint(str(path)))
    refused = [name for name in names if name.partition(".")[0] not in HARMLESS_PACKAGES]
    if refused:
        raise CheckpointError(
            f"{path}: asks for {', '.join(refused[:5])} to be run when it is opened; nothing of it was run; "
            f"expected {expected}"
        )
    return [(type(name.rpartition(".")[2], (_StandIn,), {}), name) for name in names]


class _StandIn:
    """Takes the place of a class that is mentioned: accepts anything and keeps nothing."""

    def __new__(cls, *_: object) -> _StandIn:
        return super().__new__(cls)

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, _: object) -> None:
        pass
