"""What a file system says when nothing can be written or read any more, in one line that says what to do."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager


class StorageError(Exception):
    """The workspace or the output cannot be written or read: disk full, no permission. One line; ends the run."""


_REASONS = {
    errno.ENOSPC: "the disk is full; free some space and run the same line again",
    errno.EDQUOT: "the disk quota is used up; free some space and run the same line again",
    errno.EACCES: "permission denied; give this user access to it",
    errno.EPERM: "permission denied; give this user access to it",
    errno.EROFS: "the file system is read-only; choose another folder",
    errno.ENOTDIR: "a file is where a folder is expected; choose another folder",
    errno.EEXIST: "a file is where a folder is expected; choose another folder",
}


def reason(error: BaseException) -> str | None:
    """Return what to do about an error that no retry mends (disk full, no permission), or None for any other."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.errno in _REASONS:
            return _REASONS[seen.errno]
        if isinstance(seen, PermissionError):
            return _REASONS[errno.EACCES]
        if type(seen).__name__ in ("NoCredentialsError", "PartialCredentialsError"):
            return "no credentials were found; set them in the environment"
        seen = seen.__cause__
    return None


@contextmanager
def plain_errors(where: str) -> Iterator[None]:
    """Turn disk-full and permission errors into a one-line ``StorageError``; let all others pass.

    What a client of S3 says of a lost connection becomes an ``OSError``, as it is for every other file system.
    """
    try:
        yield
    except Exception as error:
        why = reason(error)
        if why is None and type(error).__module__.startswith("botocore."):
            raise OSError(errno.EIO, f"{where}: {' '.join(str(error).split())}") from error
        if why is None or isinstance(error, StorageError):
            raise
        raise StorageError(f"{where}: {why}") from error
