"""How tensors get to the device."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from models.device import onto


def test_on_a_cpu_nothing_is_copied() -> None:
    tensor = torch.rand(3)
    assert onto(torch.device("cpu"), tensor) is tensor


def test_to_a_gpu_it_goes_out_of_page_locked_memory_and_nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[Any] = []

    def pin(tensor: Tensor) -> Tensor:
        done.append("pinned")
        return tensor

    def move(tensor: Tensor, device: torch.device, non_blocking: bool = False) -> Tensor:
        done.append((str(device), non_blocking))
        return tensor

    monkeypatch.setattr(Tensor, "pin_memory", pin)
    monkeypatch.setattr(Tensor, "to", move)
    onto(torch.device("cuda:1"), torch.rand(3))
    assert done == ["pinned", ("cuda:1", True)]
