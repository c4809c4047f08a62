"""Frames are encoded by a thread of their own, while the next ones are computed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

FrameT = TypeVar("FrameT")
AHEAD = 4
"""Frames that may wait for the encoder."""


def write_beside(frames: Iterable[FrameT], write: Callable[[FrameT], None]) -> None:
    """Call ``write`` with every frame, in order, on one other thread; all are written when this returns.

    Raises:
        Exception: what ``write`` raised; no later frame is then taken, but up to ``AHEAD`` may have been already.
    """
    waiting: deque[Future[None]] = deque()
    with ThreadPoolExecutor(1, "encoder") as encoder:
        for frame in frames:
            waiting.append(encoder.submit(write, frame))
            while len(waiting) > AHEAD:
                waiting.popleft().result()
        while waiting:
            waiting.popleft().result()
