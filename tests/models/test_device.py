"""How tensors get to the device."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from models.device import check_device, choose_device, onto


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


@pytest.mark.parametrize("name", ["cuda:2", "cuda:-1", "cuda:x", "cuda:"])
def test_a_gpu_that_is_not_there_is_told_in_one_line_before_one_is_taken(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    for good in ("cuda", "cuda:1", "cpu", "auto"):
        check_device(good)
    with pytest.raises(ValueError, match=f"^device '{name}' cannot be used: ") as found:
        check_device(name)
    assert "\n" not in str(found.value)


@pytest.mark.parametrize("name", ["gpu", "cuda:x", "cpu:x"])
def test_what_is_no_device_is_told_in_one_line(name: str) -> None:
    for ask in (check_device, choose_device):
        with pytest.raises(ValueError, match=f"^device '{name}' cannot be used: ") as found:
            ask(name)
        assert "\n" not in str(found.value)
