"""What is still to come: how many chunks a library will have when all of it is split, and how fast work is done.

Until the last video is split nobody knows the number of chunks. What is split so far says how many chunks a byte of
this library makes, and the rest is counted by its bytes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

PACE_SECONDS = 600.0
MOST_TIMES = 10
"""Nothing is estimated while the videos that are left have more than so many times the mean size of those split."""


class Forecast:
    """Estimates the number of chunks of a whole library.

    Args:
        sizes: source -> bytes, of all sources.
    """

    def __init__(self, sizes: Mapping[str, int]) -> None:
        self._waiting = {source: max(size, 0) for source, size in sizes.items()}
        self._left = sum(self._waiting.values())
        self._chunks = self._bytes = self._videos = 0

    def split(self, source: str, chunks: int) -> None:
        """Take note that all chunks of a source are known."""
        size = self._waiting.pop(source, None)
        if size is not None:
            self._left -= size
            self._bytes += size
            self._chunks += chunks
            self._videos += 1

    def drop(self, source: str) -> None:
        """Take note that a source makes no chunks: it failed, or its content is another's too."""
        self._left -= self._waiting.pop(source, 0)

    def expected(self, known: int) -> int | None:
        """Return how many chunks there will be, ``known`` of them known now; None as long as nothing tells."""
        if not self._waiting:
            return known
        if not self._bytes or self._left * self._videos > MOST_TIMES * self._bytes * len(self._waiting):
            return None
        return max(known, round(self._chunks * (self._bytes + self._left) / self._bytes))


class Pace:
    """Items per second over the last ten minutes.

    Only what was made is to be counted: after a resume thousands of artifacts are found in a moment, and say nothing of
    how long the others will take.
    """

    def __init__(self, seconds: float = PACE_SECONDS) -> None:
        self.seconds = seconds
        self._times: deque[float] = deque()

    def add(self, time: float) -> None:
        """Count an item that was finished at ``time`` (seconds, of any clock)."""
        self.extend([time])

    def extend(self, times: Sequence[float]) -> None:
        """Count items that were finished at these times."""
        self._times.extend(times)
        while self._times and self._times[-1] - self._times[0] > self.seconds:
            self._times.popleft()

    def rate(self, now: float | None = None) -> float | None:
        """Return items per second up to ``now`` (default: the last item), None if too few are known."""
        if len(self._times) < 2:
            return None
        span = max(self._times[-1], now or self._times[-1]) - self._times[0]
        return (len(self._times) - 1) / span if span > 0 else None
