"""Trouble with the output: that of one video's path, and that which nothing can be written with any more."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.storage import Storage
from pipeline.storage_errors import PathError, plain_errors
from stages.contract import ItemError


@contextmanager
def of_one_video(output: Storage) -> Iterator[None]:
    """Turn trouble with one path of the output into an ``ItemError``, if another file can be written there.

    Raises:
        ItemError: if a file or folder cannot be written or read for want of rights, or is in the way.
        StorageError: if nothing can be written.
    """
    try:
        with plain_errors(output.url):
            yield
    except PathError as error:
        if not (output.is_local or output.is_s3):  # where ``prepare`` writes nothing
            raise
        output.prepare()
        raise ItemError(str(error)) from error
