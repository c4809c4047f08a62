"""Work on frames beside what makes them: by threads of its own, while the next frames are computed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")
AHEAD = 4
"""Items that may wait for their turn."""


def worked_beside(
    items: Iterable[ItemT], work: Callable[[ItemT], ResultT], name: str, threads: int = 1
) -> Iterator[ResultT]:
    """Yield what ``work`` makes of every item, in order; all but the items themselves is done on other threads.

    Args:
        items: up to ``AHEAD`` more are taken than results have been yielded.
        work: with one thread, it gets one item after the other.
        name: of the threads.
        threads: that work side by side.

    Raises:
        Exception: what ``work`` raised; no later item is then taken, but up to ``AHEAD`` may have been already.
    """
    waiting: deque[Future[ResultT]] = deque()
    with ThreadPoolExecutor(threads, name) as helpers:
        for item in items:
            waiting.append(helpers.submit(work, item))
            while len(waiting) > AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
