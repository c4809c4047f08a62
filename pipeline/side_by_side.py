"""Processes that do one thing for many items, and end when whoever waits for them is interrupted."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from types import TracebackType
from typing import Any


class SideBySide(ProcessPoolExecutor):
    """A pool whose processes never hear Ctrl-C: they would report it, each at length, and go on with the next item.

    If its block is left by an exception, Ctrl-C among them, they are killed, whatever they are working on.

    Args:
        workers: how many at most.
        begin: called in each of them first; picklable.
    """

    def __init__(self, workers: int, begin: Callable[[], None] | None = None) -> None:
        # Spawned, not forked: a live view may be drawing in another thread.
        super().__init__(workers, multiprocessing.get_context("spawn"), begin)
        self._others = set(multiprocessing.active_children())

    def submit(self, function: Callable[..., Any], /, *given: Any, **named: Any) -> Future[Any]:
        """See ``Executor.submit``."""
        with _interrupts_held_back():
            return super().submit(function, *given, **named)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            for process in set(multiprocessing.active_children()) - self._others:
                process.kill()
        self.shutdown(cancel_futures=kind is not None)


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Processes that are started within this context inherit it, and keep it."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
