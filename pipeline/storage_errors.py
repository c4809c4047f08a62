"""What a file system says when nothing can be written or read any more, in one line that says what to do."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.faults import line
from pipeline.places import without_secrets
from stages.wording import plain


class StorageError(Exception):
    """The workspace or the output cannot be written or read: disk full, no permission. One line; ends the run."""


class PathError(StorageError):
    """The same of one path: no permission, or a file where a folder is expected. It ends the run in the workspace;
    in the output, others beside it may well be written."""


_FULL = {
    errno.ENOSPC: "the disk is full; free some space and run the same line again",
    errno.EDQUOT: "the disk quota is used up; free some space and run the same line again",
}
_BAD_SECTOR = {errno.EIO, errno.EBADMSG, errno.ENODATA, errno.EILSEQ, getattr(errno, "EUCLEAN", errno.EIO)}
"""What local file systems say of a file that their disk cannot read or that does not agree with their checksums."""
_WORDS = {"no space left on device": errno.ENOSPC, "disk quota exceeded": errno.EDQUOT}
"""What ffmpeg and safetensors say, who have no numbers for it."""
_OF_ONE_PATH = {
    errno.EACCES: "permission denied; give this user access to it",
    errno.EPERM: "permission denied; give this user access to it",
    errno.ENOTDIR: "a file is where a folder is expected; choose another folder",
    errno.EEXIST: "a file is where a folder is expected; choose another folder",
}
_REASONS = {**_FULL, errno.EROFS: "the file system is read-only; choose another folder"}


def full(error: BaseException) -> str | None:
    """Return what to do if an error says, by number or in words, that a disk is full; None for any other."""
    for seen in _causes(error):
        if isinstance(seen, OSError) and seen.errno in _FULL:
            return _FULL[seen.errno]
        for words, number in _WORDS.items():
            if words in str(seen).lower():
                return _FULL[number]
    return None


def reason(error: BaseException) -> str | None:
    """Return what to do about an error that no retry mends (disk full, no permission), or None for any other."""
    for seen in _causes(error):
        if isinstance(seen, OSError) and seen.errno in _REASONS:
            return _REASONS[seen.errno]
        if why := _of_one_path(seen):
            return why
    return _no_credentials(error)


def _of_one_path(error: BaseException) -> str | None:
    if isinstance(error, OSError) and error.errno in _OF_ONE_PATH:
        return _OF_ONE_PATH[error.errno]
    return _OF_ONE_PATH[errno.EACCES] if isinstance(error, PermissionError) else None


def _no_credentials(error: BaseException) -> str | None:
    if any(type(seen).__name__ in ("NoCredentialsError", "PartialCredentialsError") for seen in _causes(error)):
        return "no credentials were found; set them in the environment"
    return None


def bad_sector(error: OSError) -> str:
    """Return what an error says if it is of one file on a local disk and all others may be well; "" for any other."""
    number = error.errno or 0
    return os.strerror(number) if number in _BAD_SECTOR else ""


def told(error: BaseException) -> str:
    """Return what an error of a file system says, in one line, without its number and without what URLs carry."""
    if not isinstance(error, OSError) or not error.strerror:
        return without_secrets(line(error))
    where = f"{plain(str(error.filename))}: " if error.filename else ""
    return without_secrets(where + " ".join(error.strerror.split()))


def broken(error: OSError) -> str:
    """Return what to say of an error of the workspace or the output that has no reason of its own here."""
    return f"the workspace or the output failed ({without_secrets(line(error))}); run the same line again"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error, what caused it, what caused that."""
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__


@contextmanager
def plain_errors(where: str) -> Iterator[None]:
    """Turn disk-full and permission errors into a one-line ``StorageError``, that of one path into a ``PathError``; let
    all others pass, but named.

    What a client of S3 says of a lost connection becomes an ``OSError``, as it is for every other file system. A disk
    that cannot read on names no file.
    """
    try:
        yield
    except Exception as error:
        why = reason(error)
        if why is None and type(error).__module__.startswith("botocore."):
            raise OSError(errno.EIO, f"{where}: {' '.join(str(error).split())}") from error
        if why is None and isinstance(error, OSError) and error.filename is None and error.errno and error.strerror:
            raise OSError(error.errno, error.strerror, where) from error
        if why is None or isinstance(error, StorageError):
            raise
        kind = PathError if any(map(_of_one_path, _causes(error))) else StorageError
        raise kind(f"{where}: {why}") from error


@contextmanager
def source_errors(shown: str, scratch: Path | None = None) -> Iterator[None]:
    """The same for a source: what keeps every source from being read is a ``StorageError``, all else is its own fault.

    Args:
        shown: the source.
        scratch: where it is downloaded to, if it is.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, StorageError):
            raise
        if scratch is not None and (why := full(error)):
            raise StorageError(f"{scratch}: {why}") from error
        if why := _no_credentials(error):
            raise StorageError(f"{shown}: {why}") from error
        if isinstance(error, OSError):
            raise
        raise OSError(errno.EIO, f"{shown}: {told(error)}") from error
