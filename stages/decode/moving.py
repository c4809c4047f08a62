"""Frames of a file, read as far as they are asked for, and forgotten as soon as they are not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor

from stages.contract import ItemError


class MovingFrames:
    """Hands out the frames of a file to windows that only move forward.

    Args:
        frames: in order, [H, W, 3] in [0, 1]; read no further than the last frame asked for.
        count: how many there are.
        name: of the file, for people.
    """

    def __init__(self, frames: Iterable[np.ndarray], count: int, name: str) -> None:
        self._frames = iter(frames)
        self._count = count
        self._name = name
        self._held: dict[int, Tensor] = {}
        self._next = 0

    def take(self, numbers: Sequence[int]) -> Tensor:
        """The frames with these numbers, [len(numbers), 3, H, W] in [-1, 1].

        Args:
            numbers: ascending; numbers past the last frame stand for the last. Frames before the first of them cannot
                be had any more.

        Raises:
            ItemError: the file has fewer frames than it should.
        """
        wanted = [min(number, self._count - 1) for number in numbers]
        self._held = {number: frame for number, frame in self._held.items() if number >= wanted[0]}
        while self._next <= wanted[-1]:
            frame = next(self._frames, None)
            if frame is None:
                raise ItemError(
                    f"{self._name}: ends after {self._next} of {self._count} frames; delete the artifact and run again"
                )
            if self._next >= wanted[0]:
                self._held[self._next] = torch.from_numpy(frame).permute(2, 0, 1) * 2 - 1
            self._next += 1
        return torch.stack([self._held[number] for number in wanted])
