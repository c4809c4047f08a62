"""Fixity: size and SHA-256 of files as they were written, and what is wrong with what is there now."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pipeline.storage import BLOCK, Storage


@dataclass(frozen=True, slots=True)
class ArtifactFile:
    """One file: name relative to the artifact's folder, size in bytes, SHA-256."""

    name: str
    size: int
    sha256: str


def digest(blocks: Iterable[bytes]) -> tuple[int, str]:
    """Return size and SHA-256 of a content given in blocks."""
    size, sha256 = 0, hashlib.sha256()
    for block in blocks:
        size += len(block)
        sha256.update(block)
    return size, sha256.hexdigest()


def digest_file(path: Path) -> tuple[int, str]:
    """Return size and SHA-256 of a local file."""
    with path.open("rb") as file:
        return digest(iter(lambda: file.read(BLOCK), b""))


def damage(storage: Storage, name: str, file: ArtifactFile, verify: Literal["full", "size"]) -> str:
    """Say what is wrong with what ``storage`` has for ``file`` under ``name``; "" if it is as it was written.

    Raises:
        StorageError, OSError: if the storage fails, and not this one file.
    """
    try:
        # What is read whole need not be asked for its size before.
        size, sha256 = (storage.size(name), file.sha256) if verify == "size" else digest(storage.blocks(name))
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return unread(storage, error)
    if size != file.size:
        return f"has {size} bytes instead of {file.size}"
    return "" if sha256 == file.sha256 else "does not have the SHA-256 it was written with"


def unread(storage: Storage, error: OSError) -> str:
    """Say that a file cannot be read if the error is of that file alone; else raise it again."""
    if why := storage.bad_sector(error):
        return f"cannot be read ({why})"
    raise error


def describe(folder: Path) -> tuple[ArtifactFile, ...]:
    """Return name, size and SHA-256 of every file below ``folder``, sorted by name."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return tuple(ArtifactFile(path.relative_to(folder).as_posix(), *digest_file(path)) for path in paths)
