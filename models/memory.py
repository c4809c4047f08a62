"""Getting by with less: a call that runs out of the device's memory is made again, smaller."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

import torch

from models.reductions import Reduction, note

ResultT = TypeVar("ResultT")
LOG = logging.getLogger(__name__)


class Shrinking:
    """A size that is halved, for good, whenever a call of that size runs out of memory.

    Args:
        what: it is a size of, in words, for the log.
        size: to begin with; None is as large as there is use for.
        least: below this it is not halved; the error is passed on.
    """

    def __init__(self, what: str, size: int | None, least: int = 1) -> None:
        self.what, self.size, self.least = what, size, least

    def __call__(self, call: Callable[[int], ResultT], most: int) -> tuple[ResultT, int]:
        """Return ``call(size)`` and the size: the largest that fits.

        Args:
            call: does the work.
            most: sizes beyond this are of no use to this call.

        Raises:
            torch.OutOfMemoryError: not even the smallest fits.
        """
        while True:
            size = most if self.size is None else min(self.size, most)
            try:
                return call(size), size
            except torch.OutOfMemoryError as error:
                if size <= self.least:
                    raise
                kind = type(error).__name__
            # Outside of the handler, where the failed call's tensors are no longer held by its traceback.
            self.size = max(self.least, size // 2)
            reduction = Reduction(self.what, size, self.size, kind)
            note(reduction)
            LOG.warning("%s", reduction)
            if torch.cuda.is_available():
                torch.cuda.empty_cache()


class ShrinkingByCall:
    """One ``Shrinking`` for each kind of call, so that what did not fit is not tried again at every chunk.

    Calls of one kind take the same memory, so each kind ends at a size of its own, in whatever order they come: what is
    computed does not depend on what a worker had in hand before.

    Args:
        what: see ``Shrinking``.
        size: see ``Shrinking``.
    """

    def __init__(self, what: str, size: int | None) -> None:
        self.what, self.size = what, size
        self._kinds: dict[tuple[int, ...], Shrinking] = {}

    def of(self, *kind: int) -> Shrinking:
        """The one for calls of this kind: whatever numbers decide how much memory they take."""
        return self._kinds.setdefault(kind, Shrinking(self.what, self.size))

    @property
    def smallest(self) -> int | None:
        """The smallest size that was come to; None: as large as there is use for."""
        return min((each.size for each in self._kinds.values() if each.size is not None), default=self.size)
