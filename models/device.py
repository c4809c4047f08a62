"""Which torch device the arithmetic runs on, and how its input gets there."""

from __future__ import annotations

import torch
from torch import Tensor


def check_device(name: str) -> None:
    """Raise what ``choose_device`` would raise, and take no memory of a GPU: its workers will want it.

    Raises:
        ValueError: there is no such device here.
    """
    if name == "auto":
        return
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise _unusable(name, error) from None
    if device.type != "cuda" or not torch.cuda.is_available():
        choose_device(name)
    elif (device.index or 0) >= (count := torch.cuda.device_count()):
        raise _unusable(name, f"{count} of that kind are here, counted from 0")


def choose_device(name: str) -> torch.device:
    """Return the device of that name; ``auto`` is the first GPU, else the CPU.

    Raises:
        ValueError: there is no such device here.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        raise _unusable(name, error) from None


def _unusable(name: str, reason: object) -> ValueError:
    return ValueError(f"device {name!r} cannot be used: {str(reason).splitlines()[0]}")


def onto(device: torch.device, tensor: Tensor) -> Tensor:
    """The tensor on the device.

    To a GPU it goes out of page-locked memory, without this process waiting for it: the next frames are read and the
    next kernels are queued while the GPU is still at the last ones.
    """
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)
