"""A source as a file: looked at, held against what was found, lent as a local file, hashed."""

from __future__ import annotations

import errno
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from pipeline.file_systems import file_system, version_of
from pipeline.fixity import digest_file
from pipeline.image_folders import fetch_folder, folder_sha256, look_at_folder, look_at_remote_folder
from pipeline.places import is_local, local_path, redact, without_parameters
from pipeline.rows import SourceRow
from pipeline.storage import BLOCK
from pipeline.storage_errors import source_errors
from stages.contract import ItemError
from stages.wording import plain

PAUSE = 1.0
"""Seconds before a source that could not be read is tried again; twice as many each time."""
LONGEST_NAME = 239
"""Bytes of a video's name without suffix: file systems have 255 for a name, and ``.provenance.json`` takes 16."""


@contextmanager
def localise(source: SourceRow, scratch: Path) -> Iterator[Path]:
    """Lend the source as a local file: itself, or a download that is removed at the end.

    Raises:
        ItemError: if it is gone, unreadable or not the file that was found (other size or version).
        StorageError, OSError: see ``lend``.
    """
    check(source)
    with ExitStack() as stack:
        try:
            path = stack.enter_context(lend(source.url, scratch))
        except FileNotFoundError as error:
            raise ItemError(f"{source.shown}: no such file") from error
        except PermissionError as error:
            raise ItemError(f"{source.shown}: permission denied; give this user read access") from error
        yield path


@contextmanager
def lend(url: str, scratch: Path) -> Iterator[Path]:
    """Lend a video, whatever became of it, as a local file or folder of images; a download is removed at the end.

    Raises:
        FileNotFoundError: if a remote one is gone.
        StorageError: if the disk is full, or the bucket wants credentials.
        OSError: if it cannot be downloaded for another reason.
    """
    if is_local(url):
        yield local_path(url)
        return
    with source_errors(redact(url)):
        fs, path = file_system(url)
    target = scratch / (PurePosixPath(without_parameters(path, url)).name or "source")  # errors name the file
    try:
        with source_errors(redact(url), scratch):
            _download(fs, path, target)
        yield target
    finally:
        if target.is_dir():
            shutil.rmtree(target)
        target.unlink(missing_ok=True)


def _download(fs: Any, path: str, target: Path) -> None:
    if fs.isdir(path):
        fetch_folder(fs, path, target)
        return
    with fs.open(path, "rb") as remote, target.open("wb") as local:
        while block := remote.read(BLOCK):
            local.write(block)


def check(source: SourceRow) -> None:
    """Make sure that the source still is the file that was found.

    Raises:
        ItemError: if it is gone, unreadable or changed.
        StorageError, OSError: see ``look``.
    """
    if plain(source.url) != source.url:
        raise ItemError(f"{source.shown}: its name is not UTF-8; rename it")
    length = len(PurePosixPath(source.output).name.encode())
    if length > LONGEST_NAME:
        raise ItemError(
            f"{source.shown}: its name is too long ({length} bytes without its suffix, where {LONGEST_NAME} leave room "
            "for those of what is written beside it); rename it"
        )
    try:
        size, version = look(source.url)
    except FileNotFoundError as error:
        if source.size < 0:
            raise ItemError(f"{source.shown}: no such file; check the path") from error
        raise ItemError(f"{source.shown}: no such file; it was there when the run began") from error
    except PermissionError as error:
        raise ItemError(f"{source.shown}: permission denied; give this user read access") from error
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise ItemError(f"{source.shown}: a link that leads in a circle; let it lead to the file") from error
        raise
    if source.size < 0:
        raise ItemError(f"{source.shown}: it could not be read when the run began; run again")
    local = local_path(source.url)
    if is_local(source.url) and not (local.is_file() or local.is_dir()):  # a pipe would be read for ever
        raise ItemError(f"{source.shown}: not a file; give a file, a folder, a glob or a URL")
    if (size, version) != (source.size, source.version):
        raise ItemError(f"{source.shown}: the file changed after the run began; run again when it is complete")


def identify(source: SourceRow, local: Callable[[], Path], attempts: int, unread: Callable[[OSError], None]) -> str:
    """Return the SHA-256 of a source, if need be by downloading it.

    There is no fingerprint yet that attempts could be charged to, so they are made one after the other, here.

    Args:
        source: what was found.
        local: lends it as a local file.
        attempts: how many are made at most.
        unread: told what went wrong before each further attempt.

    Raises:
        ItemError: if it is gone, unreadable, changed or empty.
        StorageError: if the disk is full, or the bucket wants credentials.
        OSError: what the last attempt met with.
    """
    for left in reversed(range(attempts)):
        try:
            check(source)
            return source.sha256 or content_sha256(local(), source.shown)
        except OSError as error:
            if not left:
                raise
            unread(error)
            time.sleep(PAUSE * 2 ** (attempts - 1 - left))
    raise ValueError("at least one attempt has to be made")


def bytes_of(source: SourceRow, local: Path | None) -> int:
    """Return the size of a source: as it was found, or of its download, where its server does not say it beforehand."""
    return source.size or (local.stat().st_size if local is not None and local.is_file() else 0)


def content_sha256(path: Path, shown: str) -> str:
    """Return the SHA-256 of a local file, or of a folder of images.

    Raises:
        ItemError: if it is empty or cannot be read.
    """
    try:
        if path.is_dir():
            return folder_sha256(path)
        size, sha256 = digest_file(path)
    except PermissionError as error:
        raise ItemError(f"{shown}: permission denied; give this user read access") from error
    if size == 0:
        raise ItemError(f"{shown}: the file is empty; fetch it again from its origin")
    return sha256


def look(url: str) -> tuple[int, str]:
    """Return size and version (modification time or ETag).

    Raises:
        OSError: if it is gone or unreadable.
        StorageError: if the bucket wants credentials.
    """
    if is_local(url):
        if local_path(url).is_dir():
            return look_at_folder(local_path(url))
        status = local_path(url).stat()
        return status.st_size, str(status.st_mtime_ns)
    with source_errors(redact(url)):
        fs, path = file_system(url)
        if fs.isdir(path):
            return look_at_remote_folder(fs, path)
        return size_and_version(fs.info(path))


def size_and_version(entry: Mapping[str, Any]) -> tuple[int, str]:
    """Return size and version, see ``look``, of a file by what its file system says of it."""
    return int(entry.get("size") or 0), version_of(entry)
