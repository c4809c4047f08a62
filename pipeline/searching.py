"""The search of an input folder, in which no folder is passed over in silence: its videos would be lost in a run that
ends well.
"""

from __future__ import annotations

import errno
import glob
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import Any

from fsspec.spec import AbstractFileSystem

from pipeline.places import MAGIC, redact
from pipeline.storage_errors import StorageError, reason, told
from stages.wording import plain


class InputError(Exception):
    """The inputs or the output cannot be used as given. One line."""


def walk(root: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    """Yield every folder at and below ``root`` as ``os.walk`` does, which follows no links; none if it is no folder.

    Raises:
        InputError: if one of them cannot be listed. The search ends there: what lies in it is not known.
    """
    return os.walk(root, onerror=_refuse)


def matches(pattern: str) -> list[Path]:
    """Return what a glob matches.

    Raises:
        InputError: if a folder that it leads through cannot be listed.
    """
    parts = PurePath(pattern).parts
    for number, part in enumerate(parts):
        if any(sign in part for sign in MAGIC):
            # ``**`` lists the folders below, too; they are what it matches itself.
            through = os.path.join("", *parts[: number + (part == "**")])  # noqa: PTH118
            for folder in glob.glob(f"{through.rstrip('/')}/", recursive=True):  # noqa: PTH207
                _list(folder)
    return [Path(match) for match in glob.glob(pattern, recursive=True)]  # noqa: PTH207


@contextmanager
def reading(given: str) -> Iterator[None]:
    """Turn whatever a remote file system says into one line; what it says depends on who wrote it."""
    try:
        yield
    except (InputError, StorageError):
        raise
    except Exception as error:
        why = reason(error) or f"cannot be read ({told(error)}); check the URL, your rights and the network"
        raise InputError(f"{redact(given)}: {why}") from error


def remote_files(fs: Any, root: str) -> dict[str, dict[str, Any]]:
    """Return all files at and below ``root`` of a remote file system, sorted: path -> what its listing says of it.

    Raises:
        Exception: what the file system says of a folder that it cannot list.
    """
    if type(fs).find is not AbstractFileSystem.find:  # a store of objects lists them all at once, or fails
        return dict(fs.find(root, detail=True))
    found, folders = {}, [root]
    while folders:  # by hand: ``find`` takes a folder that it cannot list for an empty one
        folder = folders.pop()
        for entry in fs.ls(folder, detail=True):
            name = str(entry["name"]).rstrip("/")
            if entry["type"] != "directory":
                found[name] = entry
            elif name != folder.rstrip("/"):
                folders.append(name)
    return dict(sorted(found.items()))


def _list(folder: str) -> None:
    try:
        with os.scandir(folder):
            pass
    except OSError as error:
        _refuse(error)


def _refuse(error: OSError) -> None:
    folder = Path(str(error.filename))
    if isinstance(error, FileNotFoundError | NotADirectoryError) or error.errno == errno.ELOOP:
        return  # no folder, or not any more, or a link that leads in a circle
    if folder.name == "lost+found" and error.errno in (errno.EACCES, errno.EPERM):
        return  # where a disk keeps what its repair has found; nobody but root may look into it, nor has tapes there
    raise InputError(
        f"{plain(str(folder))}: this folder cannot be listed ({error.strerror}), and its videos would be left out; see "
        "to it, or name the other folders instead"
    ) from error
