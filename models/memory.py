"""Getting by with less: a call that runs out of the device's memory is made again, smaller."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

import torch

from models.free_memory import free_bytes, taken
from models.out_of_memory import out_of_memory
from models.reductions import Reduction, note

ResultT = TypeVar("ResultT")
LOG = logging.getLogger(__name__)
_halved: ContextVar[dict[str, int] | None] = ContextVar("_halved", default=None)


@contextmanager
def halved_sizes() -> Iterator[dict[str, int]]:
    """Lend a dictionary that gets the smallest size of what this thread does with less within this block.

    By what they are sizes of (``Shrinking.what``). Unlike ``reductions.noting`` it tells also of calls whose size was
    halved at an earlier one.
    """
    found: dict[str, int] = {}
    token = _halved.set(found)
    try:
        yield found
    finally:
        _halved.reset(token)


class Shrinking:
    """A size that is halved, for good, whenever a call of that size runs out of memory.

    Args:
        what: it is a size of, in words, for the log and the account.
        size: to begin with; None is as large as there is use for.
        least: below this it is not halved; the error is passed on.
    """

    def __init__(self, what: str, size: int | None, least: int = 1) -> None:
        self.what, self.size, self.least = what, size, least
        self._short = False

    def __call__(self, call: Callable[[int], ResultT], most: int) -> tuple[ResultT, int]:
        """Return ``call(size)`` and the size: the largest that fits.

        Args:
            call: does the work.
            most: sizes beyond this are of no use to this call.

        Raises:
            Exception: what the call raised, if that says that memory ran out and not even the smallest fits
                (``torch.OutOfMemoryError``, ``MemoryError`` or a library's ``RuntimeError``), or anything else.
        """
        while True:
            size = most if self.size is None else min(self.size, most)
            try:
                result = call(size)
                self._tell(size, most)
                return result, size
            except Exception as error:
                if size <= self.least or not out_of_memory(error):
                    raise
                kind = type(error).__name__
            # Outside of the handler, where the failed call's tensors are no longer held by its traceback.
            self.size, self._short = max(self.least, size // 2), True
            reduction = Reduction(self.what, size, self.size, kind)
            note(reduction)
            LOG.warning("%s", reduction)
            if torch.cuda.is_available():
                torch.cuda.empty_cache()

    def _tell(self, size: int, most: int) -> None:
        told = _halved.get()
        if told is not None and self._short and size < most:
            told[self.what] = min(size, told.get(self.what, size))


MOST = 64
"""Calls larger than this gain nothing more."""
SHARE = 0.5
"""Of the free memory that a call may take: work spaces are not counted, and others live on the machine, too."""


class Fitting(Shrinking):
    """A size found from the memory that a first call of size 1 takes and from what is free then.

    Args:
        what: see ``Shrinking``.
        device: that the calls run on.
    """

    def __init__(self, what: str, device: torch.device) -> None:
        super().__init__(what, None)
        self._device = device

    def __call__(self, call: Callable[[int], ResultT], most: int) -> tuple[ResultT, int]:
        """As that of ``Shrinking``; the first call is of size 1."""
        if self.size is not None:
            return super().__call__(call, most)
        free = free_bytes(self._device)
        result, each = taken(lambda: call(1), self._device)
        self.size = 1 if free is None else max(1, min(MOST, int(SHARE * free) // max(1, each)))
        LOG.info("%s: %d, for %d MB each of %d MB free", self.what, self.size, each // 10**6, (free or 0) // 10**6)
        return result, 1


class ShrinkingByCall:
    """One ``Shrinking`` for each kind of call, so that what did not fit is not tried again at every chunk.

    Calls of one kind take the same memory, so each kind ends at a size of its own, in whatever order they come: what is
    computed does not depend on what a worker had in hand before.

    Args:
        what: see ``Shrinking``.
        size: see ``Shrinking``.
        device: where it is given and ``size`` is not, sizes are found from its free memory (``Fitting``).
        least: see ``Shrinking``; of those that are found it is 1.
    """

    def __init__(self, what: str, size: int | None, device: torch.device | None = None, least: int = 1) -> None:
        self.what, self.size, self._device, self._least = what, size, device, least
        self._kinds: dict[tuple[int, ...], Shrinking] = {}

    def of(self, *kind: int) -> Shrinking:
        """The one for calls of this kind: whatever numbers decide how much memory they take."""
        if kind not in self._kinds:
            if self.size is None and self._device is not None:
                self._kinds[kind] = Fitting(self.what, self._device)
            else:
                self._kinds[kind] = Shrinking(self.what, self.size, self._least)
        return self._kinds[kind]

    @property
    def smallest(self) -> int | None:
        """The smallest size that was come to; None: as large as there is use for."""
        return min((each.size for each in self._kinds.values() if each.size is not None), default=self.size)
