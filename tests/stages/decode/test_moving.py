"""Frames are read when a window asks for them, and not kept longer than it needs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from stages.contract import ItemError
from stages.decode.moving import MovingFrames


def counted(count: int, read: list[int]) -> Iterator[np.ndarray]:
    for number in range(count):
        read.append(number)
        yield np.full((2, 3, 3), number / 100, np.float32)


def test_no_frame_is_read_before_its_window_and_none_kept_after() -> None:
    read: list[int] = []
    frames = MovingFrames(counted(100, read), 100, "x")
    for start in range(0, 90, 3):
        taken = frames.take(range(start, start + 5))
        assert read == list(range(start + 5)) and len(frames._held) == 5
        values = ((taken[:, 0, 0, 0] + 1) * 50).round().int().tolist()
        assert taken.shape == (5, 3, 2, 3) and values == list(range(start, start + 5))


def test_numbers_past_the_end_stand_for_the_last_frame() -> None:
    taken = MovingFrames(counted(7, []), 7, "x").take(range(5, 10))
    assert ((taken[:, 0, 0, 0] + 1) * 50).round().int().tolist() == [5, 6, 6, 6, 6]


def test_a_file_that_ends_early_is_the_items_fault() -> None:
    with pytest.raises(ItemError, match=r"x: ends after 3 of 4 frames"):
        MovingFrames(counted(3, []), 4, "x").take([2, 3])
