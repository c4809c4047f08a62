"""Ends a process that is stuck in an item: what hangs cannot be asked to stop.

A thread waits for the deadline, tells what the stage was doing, and ends the process. Where not even a thread can run
(code that hangs and holds Python's lock), ``faulthandler`` ends it half a minute later without a word; the item's next
worker then finds an attempt without an end.
"""

from __future__ import annotations

import faulthandler
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager

GRACE_SECONDS = 30.0


class Watchdog:
    """Watches one item after the other.

    Args:
        seconds: that an item may take.
        last_words: called with where the item hangs (a traceback) before the process ends.
    """

    def __init__(self, seconds: float, last_words: Callable[[str], None]) -> None:
        self.seconds, self.last_words = seconds, last_words
        self._deadline = 0.0
        self._changed = threading.Condition()
        self._item = 0
        self._thread: threading.Thread | None = None

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch until the end of the block."""
        self._item = threading.get_ident()
        self._set(time.monotonic() + self.seconds)
        if self._thread is None:
            self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
            self._thread.start()
        try:
            yield
        finally:
            self._set(0.0)

    def _set(self, deadline: float) -> None:
        with self._changed:
            self._deadline = deadline
            self._changed.notify()
        if deadline:
            faulthandler.dump_traceback_later(self.seconds + GRACE_SECONDS, exit=True, file=2)
        else:
            faulthandler.cancel_dump_traceback_later()

    def _watch(self) -> None:
        while True:
            with self._changed:
                left = self._deadline - time.monotonic()
                if not self._deadline or left > 0:
                    self._changed.wait(left if self._deadline else None)
                    continue
            try:
                self.last_words(_where(self._item))
            finally:
                os._exit(1)


class Unwatched:
    """What watches nothing: in a process that must not be ended."""

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Do nothing."""
        yield


def _where(thread: int) -> str:
    frame = sys._current_frames().get(thread)
    return "".join(traceback.format_stack(frame)) if frame else ""
