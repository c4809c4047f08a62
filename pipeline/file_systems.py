"""The file system of a place, as fsspec has it, except that ``::`` is a chain only where there can be one."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import fsspec

from pipeline.places import is_local, local_path, redact, store_with_credentials
from pipeline.storage_errors import StorageError, reason, told

RETRIES = 12
_VERSIONS = ("ETag", "etag", "mtime", "LastModified", "Last-Modified", "modify", "modificationTime", "created")
"""What S3, local disks, web servers, FTP and HDFS call that which changes when a file does."""


def file_system(url: str) -> tuple[Any, str]:
    """Return fsspec's file system for a place, and the path in it; listings are never remembered.

    Raises:
        StorageError: if there is no such protocol, its package is not installed, or the URL of an object store carries
            credentials.
        Exception: what the file system says, if it has to be reached for this and cannot be.
    """
    if is_local(url):
        return fsspec.filesystem("file"), str(local_path(url))
    if store := store_with_credentials(url):
        raise StorageError(
            f"{store}://: the URL carries credentials; give them in the environment instead (for S3 AWS_PROFILE, or "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY), and begin the URL with the name of the bucket"
        )
    try:
        open_it = fsspec.core.url_to_fs if _is_chain(url) else _open_single
        fs, path = open_it(url, use_listings_cache=False)
    except (ValueError, ImportError) as error:
        raise StorageError(f"{url.partition('://')[0]}://: {' '.join(str(error).split())}; check the URL") from error
    if hasattr(fs, "retries"):  # s3fs: a minute or more of waiting, each pause longer than the one before
        fs.retries = RETRIES
    return fs, path


def reached(url: str) -> tuple[Any, str]:
    """Return the same of a place without which nothing can be done.

    Raises:
        StorageError: if it cannot be reached, too.
    """
    try:
        return file_system(url)
    except StorageError:
        raise
    except Exception as error:  # each kind has its own: that of FTP, say, connects and logs in right here
        why = reason(error) or f"cannot be reached ({told(error)}); check the URL, your rights and the network"
        raise StorageError(f"{redact(url)}: {why}") from error


def protocol_of(fs: Any) -> str:
    """Return how URLs of one of fsspec's file systems begin: ``s3``, ``file``, ``ftp``."""
    return str(fs.protocol if isinstance(fs.protocol, str) else fs.protocol[0])


def version_of(entry: Mapping[str, Any]) -> str:
    """Return what changes when a file does, by what its file system says of it; "" if it says nothing of the kind."""
    return str(next((entry[key] for key in _VERSIONS if entry.get(key)), ""))


def _is_chain(url: str) -> bool:
    """Whether ``::`` chains file systems: what comes first stands for another one, like a cache or an archive."""
    first, mark, _ = url.partition("::")
    if not mark or "://" not in first:
        return True
    kind = fsspec.get_filesystem_class(first.partition("://")[0])
    return not {"fo", "target_protocol"}.isdisjoint(inspect.signature(kind.__init__).parameters)


def _open_single(url: str, **options: Any) -> tuple[Any, str]:
    kind = fsspec.get_filesystem_class(url.partition("://")[0])
    return kind(**{**kind._get_kwargs_from_urls(url), **options}), kind._strip_protocol(url)
