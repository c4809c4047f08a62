"""What ``verify`` finds about one video or bag, and how it gets at the files."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pipeline.storage import Storage

FIXITY = ".framemd5"
MOST = 20
"""Files of one video that are named one by one; the others, images of a sequence mostly, are counted."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found about one published video, or one bag.

    Attributes:
        video: its path below the output folder; of a bag, that of its folder.
        source: what it was made from, "" where only the output is known.
        differences: one line each; empty if everything that could be checked is as it must be.
        unchecked: what of it could not be checked, and why, in one line; "" if all of it was.
        bag: whether this is about a bag as such, and not about the video in it.
    """

    video: str
    source: str
    differences: tuple[str, ...]
    unchecked: str = ""
    bag: bool = False

    @property
    def whole(self) -> bool:
        """Whether all of it was checked, and is as it must be."""
        return not self.differences and not self.unchecked


@contextmanager
def lent(storage: Storage, name: str) -> Iterator[Path]:
    """Lend a file as a local one."""
    if storage.is_local:
        yield Path(storage.path(name))
        return
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / PurePosixPath(name).name
        storage.download(name, target)
        yield target
