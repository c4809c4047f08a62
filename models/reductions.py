"""What was made smaller because memory was short: noted by who does it, read by whoever keeps the account."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reduction:
    """A size that was halved.

    Attributes:
        what: it is a size of, in words.
        size: that did not fit.
        smaller: the size that is tried in its place.
        error: class of the error.
    """

    what: str
    size: int
    smaller: int
    error: str

    def __str__(self) -> str:
        """One line."""
        return f"out of memory with {self.what}: {self.size}; going on with {self.smaller}"


_noted: ContextVar[list[Reduction] | None] = ContextVar("_noted", default=None)


@contextmanager
def noting() -> Iterator[list[Reduction]]:
    """Lend a list that gets what is reduced within this block, by this thread."""
    found: list[Reduction] = []
    token = _noted.set(found)
    try:
        yield found
    finally:
        _noted.reset(token)


def note(reduction: Reduction) -> None:
    """Take note, if somebody reads it."""
    found = _noted.get()
    if found is not None:
        found.append(reduction)
