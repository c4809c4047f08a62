"""Writing on a local file system so that a crash leaves the old content or the new one, never a part.

The bytes go to a temporary file beside the target, are flushed to the disk, and then take its name; last, the folder is
flushed. A crash before that leaves a ``.partial`` file that nobody reads.
"""

from __future__ import annotations

import errno
import glob as globbing
import hashlib
import os
import shutil
import uuid
from contextlib import nullcontext, suppress
from pathlib import Path

LONGEST = 255 - len(f".{uuid.uuid4().hex}.partial")
"""Bytes of a name that still has room for what a temporary one adds; 255 is the limit of most file systems."""


def write_beside(target: Path, data: bytes, durable: bool) -> Path:
    """Write a temporary file beside ``target`` and return it; ``durable``: flushed to the disk."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = _name_beside(target)
    try:
        temporary.write_bytes(data)
        if durable:
            flush(temporary)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    return temporary


def move(source: Path, target: Path) -> None:
    """Give a file the name ``target``, atomically: a rename on the same file system, else copy, flush and rename."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        source.replace(target)
    except OSError as error:
        # Not told by the device's number: two mounts of one disk, as containers have them, share it.
        if error.errno != errno.EXDEV:
            raise
        sweep_beside(target)  # what a copy of ours that crashed has left
        copy = _name_beside(target)
        try:
            shutil.copyfile(source, copy)
            flush(copy)
            copy.replace(target)
        except OSError:
            copy.unlink(missing_ok=True)
            raise


def sweep_beside(target: Path) -> None:
    """Remove the temporary files of this target; whoever is still writing one will find it gone."""
    for left in target.parent.glob(f"{globbing.escape(_beginning(target))}.{'[0-9a-f]' * 32}.partial"):
        left.unlink(missing_ok=True)


def create(target: Path, data: bytes, durable: bool) -> bool:
    """Write ``target`` unless it exists; return whether it was written."""
    temporary = write_beside(target, data, durable)
    try:
        os.link(temporary, target)
    except FileExistsError:
        return False
    except FileNotFoundError:
        if target.exists():  # whoever was first has swept
            return False
        raise
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK):
            raise
        # A file system without hard links: the name is claimed first and filled after, so that a crash in
        # between leaves an empty file. Readers of claims take an empty one for a claim by an unknown owner.
        try:
            with target.open("xb") as file:
                file.write(data)
        except FileExistsError:
            return False
    finally:
        temporary.unlink(missing_ok=True)
    if durable:
        flush(target.parent)
    return True


def flush(path: Path) -> None:
    """Flush a file or folder to the disk (where the system can: Windows cannot flush folders)."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        with suppress(PermissionError) if path.is_dir() else nullcontext():
            os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def _name_beside(target: Path) -> Path:
    return target.with_name(f"{_beginning(target)}.{uuid.uuid4().hex}.partial")


def _beginning(target: Path) -> str:
    """The target's name, if the temporary one leaves room for it; else a name of its own that is short."""
    name = target.name
    return name if len(name.encode()) <= LONGEST else hashlib.sha256(name.encode()).hexdigest()
