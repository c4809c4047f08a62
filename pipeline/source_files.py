"""A source as a file: looked at, held against what was found, lent as a local file, hashed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from pipeline.artifacts import digest_file
from pipeline.image_folders import fetch_folder, folder_sha256, look_at_folder, look_at_remote_folder
from pipeline.rows import SourceRow
from pipeline.storage import BLOCK, file_system
from stages.contract import ItemError

LONGEST_NAME = 239
"""Bytes of a video's name without suffix: file systems have 255 for a name, and ``.provenance.json`` takes 16."""


def plain(name: str) -> str:
    """Return a name as it is if it is UTF-8, else with its other bytes as ``\\xe9``: manifest and reports are UTF-8."""
    return name.encode(errors="surrogateescape").decode(errors="backslashreplace")


@contextmanager
def localise(source: SourceRow, scratch: Path) -> Iterator[Path]:
    """Lend the source as a local file: itself, or a download that is removed at the end.

    Raises:
        ItemError: if it is gone, unreadable or not the file that was found (other size or version).
    """
    check(source)
    with ExitStack() as stack:
        try:
            path = stack.enter_context(lend(source.url, scratch))
        except FileNotFoundError as error:
            raise ItemError(f"{source.shown}: no such file") from error
        yield path


@contextmanager
def lend(url: str, scratch: Path) -> Iterator[Path]:
    """Lend a video, whatever became of it, as a local file or folder of images; a download is removed at the end.

    Raises:
        FileNotFoundError: if a remote one is gone.
    """
    if is_local(url):
        yield local_path(url)
        return
    fs, path = open_remote(url)
    target = scratch / (PurePosixPath(path).name or "source")  # errors name the file
    try:
        if fs.isdir(path):
            fetch_folder(fs, path, target)
        else:
            with fs.open(path, "rb") as remote, target.open("wb") as local:
                while block := remote.read(BLOCK):
                    local.write(block)
        yield target
    finally:
        if target.is_dir():
            shutil.rmtree(target)
        target.unlink(missing_ok=True)


def check(source: SourceRow) -> None:
    """Make sure that the source still is the file that was found.

    Raises:
        ItemError: if it is gone, unreadable or changed.
    """
    if plain(source.url) != source.url:
        raise ItemError(f"{source.shown}: its name is not UTF-8; rename it")
    if source.size < 0:
        raise ItemError(f"{source.shown}: no such file; check the path")
    length = len(PurePosixPath(source.output).name.encode())
    if length > LONGEST_NAME:
        raise ItemError(
            f"{source.shown}: its name is too long ({length} bytes without its suffix, where {LONGEST_NAME} leave room "
            "for those of what is written beside it); rename it"
        )
    try:
        size, version = look(source.url)
    except FileNotFoundError as error:
        raise ItemError(f"{source.shown}: no such file; it was there when the run began") from error
    except PermissionError as error:
        raise ItemError(f"{source.shown}: permission denied; give this user read access") from error
    local = local_path(source.url)
    if is_local(source.url) and not (local.is_file() or local.is_dir()):  # a pipe would be read for ever
        raise ItemError(f"{source.shown}: not a file; give a file, a folder, a glob or a URL")
    if (size, version) != (source.size, source.version):
        raise ItemError(f"{source.shown}: the file changed after the run began; run again when it is complete")


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
    """
    if is_local(url):
        if local_path(url).is_dir():
            return look_at_folder(local_path(url))
        status = local_path(url).stat()
        return status.st_size, str(status.st_mtime_ns)
    fs, path = open_remote(url)
    if fs.isdir(path):
        return look_at_remote_folder(fs, path)
    info = fs.info(path)
    version = next((info[key] for key in ("ETag", "etag", "mtime", "LastModified", "created") if info.get(key)), "")
    return int(info.get("size") or 0), str(version)


def open_remote(url: str) -> tuple[Any, str]:
    """Return the file system of a URL and the path in it; listings are never remembered."""
    return file_system(url, use_listings_cache=False)


def is_local(url: str) -> bool:
    """Whether a place is on a local file system."""
    return "://" not in url or url.startswith(("file://", "local://"))


def local_path(url: str) -> Path:
    """Return the path of a local place, absolute but with its symbolic links as they are."""
    return Path(os.path.abspath(url.partition("://")[2] if "://" in url else Path(url).expanduser()))  # noqa: PTH100
