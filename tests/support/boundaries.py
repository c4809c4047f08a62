"""A run that ends in the middle, as if killed, at a boundary of its commits."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pipeline.storage import Storage


class Killed(BaseException):
    """Stands for SIGKILL: nothing in the run may catch it."""


def kill_at(patch: pytest.MonkeyPatch, target: int) -> Callable[[], int]:
    """Have the run killed when it comes to that boundary (-1: to none); return what tells how many it came to."""
    count, dead = 0, False

    def boundary(self: Storage, operation: str, name: str) -> None:
        nonlocal count, dead
        if dead:
            raise Killed
        count += 1
        if count == target:
            dead = True
            raise Killed

    patch.setattr(Storage, "boundary", boundary)
    patch.setattr("pipeline.manifest.ManifestWriter.start", lambda self: None)  # by turns, not by the clock
    return lambda: count
