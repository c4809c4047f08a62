"""Memory of tensors, counted."""

from __future__ import annotations

import torch

from models.live_tensors import LiveTensors


def test_what_is_freed_is_no_longer_counted_and_views_never_are() -> None:
    before = torch.zeros(5000)
    with LiveTensors() as memory:
        first = before[:1000] + 1
        second = first * 2
        part = second[10:]
        del first
        part.add_(1)
        third = second + 1
        del second, part, third
    assert (memory.largest, memory.peak) == (4000, 8000)


def test_tensors_without_data_count_as_if_they_had_it() -> None:
    with LiveTensors() as memory:
        x = torch.empty(1000, 1000, 1000, device="meta")
        y = x + x
    assert memory.largest == 4 * 10**9 and memory.peak == 8 * 10**9 and y.is_meta
