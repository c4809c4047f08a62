"""What a folder of pages remembers of how it was made, and whether it is one at all: nobody else's page is replaced."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from pipeline.storage import Storage, StorageError

INDEX = "index.html"
MEMORY = "pages.json"
_MARK = b'<meta name="generator" content="reelift '
_HEAD = 4096
"""Bytes of a page within which ``base.html.j2`` has the mark."""


def recall(output: Storage) -> dict[str, Any]:
    """Return what is remembered: page -> what it was made of; nothing where a report of ours is to be made anew.

    Raises:
        StorageError: if ``index.html`` or ``pages.json`` was not written by a report.
    """
    ours = _is_ours(output)
    if ours is False:
        raise _foreign(output, INDEX)
    try:
        loaded = json.loads(output.read(MEMORY))
    except FileNotFoundError:
        return {}
    except ValueError:
        loaded = None
    if isinstance(loaded, dict) and all(isinstance(each, dict) and "key" in each for each in loaded.values()):
        return loaded
    if ours is None:
        raise _foreign(output, MEMORY)
    return {}  # damaged


def remember(output: Storage, memory: dict[str, Any]) -> None:
    """Write it down."""
    output.put(MEMORY, json.dumps(memory, indent=0).encode())


@contextmanager
def kept(memory: dict[str, Any], output: Storage) -> Iterator[None]:
    """Write the memory down if the block is left before its end, so that the same call goes on."""
    try:
        yield
    except BaseException:
        with suppress(StorageError, OSError):  # what ended the block is what is to be told
            remember(output, memory)
        raise


def _is_ours(output: Storage) -> bool | None:
    """Whether a report has written the page of the run that is there; None if there is none."""
    try:
        return _MARK in next(iter(output.blocks(INDEX)), b"")[:_HEAD]
    except FileNotFoundError:
        return None


def _foreign(output: Storage, name: str) -> StorageError:
    return StorageError(f"{output.url}/{name} was not written by 'reelift report'; give another folder with --output")
