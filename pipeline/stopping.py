"""A run that is asked to end early finishes what its workers hold, and begins nothing more.

Whoever is about to begin an item asks first. What is not begun is left for the next run of the same line.
"""

from __future__ import annotations

import threading


class Stopped(BaseException):
    """Raised where the next item would begin, after the run was asked to stop; charged to no item."""


class Stop:
    """The wish to stop; given by a signal's handler, say, and seen by the thread that runs."""

    def __init__(self) -> None:
        self._asked = threading.Event()

    def __bool__(self) -> bool:
        return self._asked.is_set()

    def ask(self) -> None:
        """Let the run end when the items that are being worked on are finished."""
        self._asked.set()

    def check(self) -> None:
        """Pass while nobody has asked.

        Raises:
            Stopped: somebody has.
        """
        if self:
            raise Stopped
