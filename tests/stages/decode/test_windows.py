"""Windows of the decoder: every frame once, in order, cross-faded where windows overlap."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from stages.decode.config import DecodeConfig
from stages.decode.windows import decoded_frames


def identity(numbers: list[int]) -> Tensor:
    return torch.tensor(numbers, dtype=torch.float32)[:, None, None, None].expand(-1, 3, 2, 2)


@given(frames=st.integers(1, 40), window=st.integers(1, 12), overlap=st.integers(0, 11))
def test_every_frame_comes_once_and_in_order(frames: int, window: int, overlap: int) -> None:
    config = DecodeConfig(window_frames=window, window_overlap=min(overlap, window - 1))
    found = [frame[0, 0, 0].item() for frame in decoded_frames(frames, config, identity)]
    assert [round(value, 4) for value in found] == list(range(frames))


def test_overlap_is_a_cross_fade() -> None:
    calls: list[list[int]] = []

    def constant(numbers: list[int]) -> Tensor:
        calls.append(numbers)
        return torch.full((len(numbers), 3, 1, 1), float(len(calls) - 1))

    config = DecodeConfig(window_frames=4, window_overlap=2)
    found = [frame[0, 0, 0].item() for frame in decoded_frames(6, config, constant)]
    assert calls == [[0, 1, 2, 3], [2, 3, 4, 5]]
    torch.testing.assert_close(torch.tensor(found), torch.tensor([0, 0, 1 / 3, 2 / 3, 1, 1]))


def test_published_windows_repeat_the_last_frame_and_keep_its_last_repetition() -> None:
    calls: list[list[int]] = []

    def position(numbers: list[int]) -> Tensor:
        calls.append(numbers)
        return torch.arange(len(numbers), dtype=torch.float32)[:, None, None, None].expand(-1, 3, 1, 1)

    config = DecodeConfig(window_frames=5, window_overlap=0, last_window="repeat")
    found = [frame[0, 0, 0].item() for frame in decoded_frames(7, config, position)]
    assert calls == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]
    assert found == [0, 1, 2, 3, 4, 0, 4]


def test_frames_are_yielded_before_later_windows_are_decoded() -> None:
    calls: list[list[int]] = []

    def decode(numbers: list[int]) -> Tensor:
        calls.append(numbers)
        return identity(numbers)

    frames = decoded_frames(100, DecodeConfig(window_frames=5, window_overlap=1), decode)
    next(frames)
    assert len(calls) == 1
