"""Decoding a chunk window by window, cross-fading where windows overlap, a bounded number of frames in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from models.tiling import tile_starts
from stages.decode.config import DecodeConfig

DecodeWindow = Callable[[list[int]], Tensor]
"""Ascending frame numbers within the chunk -> decoded frames [len, 3, H, W], on the canvas. Windows move forward.

Numbers past the chunk's end stand for repetitions of its last frame.
"""


def decoded_frames(frames: int, config: DecodeConfig, decode: DecodeWindow) -> Iterator[Tensor]:
    """Yield the frames [3, H, W] of a chunk in order.

    Overlapping windows are cross-faded linearly. With ``last_window: repeat`` the chunk is filled up by repeating its
    last frame, and the last repetition is the one that is kept, as published (golden README, "Segments").
    """
    if config.last_window == "repeat":
        yield from _repeating(frames, config.window_frames, decode)
        return
    window = min(config.window_frames, frames)
    starts = tile_starts(frames, window, min(config.window_overlap, window - 1))
    waiting: dict[int, Tensor] = {}
    for start, following in zip(starts, [*starts[1:], None], strict=True):
        numbers = list(range(start, start + window))
        decoded = decode(numbers)
        shared = [number for number in numbers if number in waiting]
        for number, image in zip(numbers, decoded, strict=True):
            if number in waiting:
                share = (shared.index(number) + 1) / (len(shared) + 1)
                waiting[number] = waiting[number].lerp(image, share)
            else:
                waiting[number] = image
        finished = frames if following is None else following
        for number in [number for number in waiting if number < finished]:
            yield waiting.pop(number)


def _repeating(frames: int, window: int, decode: DecodeWindow) -> Iterator[Tensor]:
    for start in range(0, frames, window):
        decoded = decode(list(range(start, start + window)))
        if start + window < frames:
            yield from decoded
        else:
            yield from decoded[: frames - 1 - start]
            yield decoded[-1]


def pick(latents: Tensor, numbers: list[int]) -> Tensor:
    """Frames ``numbers`` of [n, ...]; numbers past the end stand for the last."""
    return latents[torch.tensor(numbers, device=latents.device).clamp(max=len(latents) - 1)]
