"""A folder on any file system that fsspec knows, with the few operations that survive a crash.

Everything the run keeps is written by one of three operations: ``put`` (atomic, last writer wins), ``put_if_absent``
(atomic, first writer wins) and ``put_file`` (atomic, from a local file). A reader sees the old content or the new one,
never a part.

* Local file systems: a temporary file beside the target is renamed over it, or linked to it, which fails if the target
  exists (see ``local_files``).
* Object stores: one put is atomic, and is the commit. ``put_if_absent`` is a conditional put (``If-None-Match: *``) on
  S3, where content that is one's own to the byte counts as written: the client repeats a put whose answer was lost. A
  store that ignores the condition degrades to a check before the put; ``epoch.Epoch`` reads its claim back for that.
"""

from __future__ import annotations

import errno
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from pipeline.file_systems import protocol_of, reached
from pipeline.local_files import create, flush, move, write_beside
from pipeline.places import MAGIC, redact, same_host
from pipeline.storage_errors import StorageError, bad_sector, plain_errors
from stages.wording import plain

BLOCK = 1 << 22
RANGE = 1 << 25
"""Bytes that are asked for at a time on S3."""


def require_utf8(url: str) -> None:
    """See that the name of a folder can be recorded.

    Raises:
        StorageError: if it is not UTF-8.
    """
    if plain(url) != url:
        raise StorageError(f"{plain(url)}: its name is not UTF-8; rename it or choose another folder")


class Storage:
    """The folder at ``url``. Names are relative, with forward slashes.

    Attributes:
        url: as it is shown; it leads here again, but for credentials where this is ``only_read``.
        only_read: whether this is neither a local folder nor one in an object store, but on FTP, say: no put is atomic.

    Raises:
        StorageError: from any method, when the disk is full or permission is denied; and if it cannot be reached.
        FileNotFoundError: from ``read``, ``size`` and ``download``.
    """

    def __init__(self, url: str | Path) -> None:
        if not str(url):
            raise StorageError("a folder has an empty name; is a variable of the shell not set?")
        self.fs, root = reached(str(url))
        protocol = protocol_of(self.fs)
        self.is_local, self.is_s3 = protocol in ("file", "local"), protocol == "s3"
        self.root = root if self.is_local else root.rstrip("/")
        self.url = self.root if self.is_local else f"{protocol}://{self.root.lstrip('/')}"
        # Where protocol and path do not lead back, the URL has a host, as that of FTP, or is a chain of file systems.
        back = type(self.fs)._strip_protocol(self.url).rstrip("/") == self.root
        self.only_read = not self.is_local and not (back and same_host(self.fs, str(url), self.url))
        if self.only_read:
            self.url = redact(str(url)).rstrip("/")

    def path(self, name: str) -> str:
        """Return the file system's own path of ``name``.

        Raises:
            ValueError: if the name leads out of the folder.
        """
        if name.startswith("/") or ".." in name.split("/"):
            raise ValueError(f"{name!r} leads out of {self.url}")
        return f"{self.root}/{name}" if name else self.root

    def prepare(self) -> None:
        """Make a local folder, and write a file there or on S3 for a moment: what would fail in the end fails now.

        Raises:
            StorageError: if it cannot be made or written, or is ``only_read``.
        """
        if self.only_read:
            raise StorageError(
                f"{self.url}: only inputs may have a URL of this kind; for output and workspace give a folder (a "
                "mounted share is one), or a place in an object store (s3://, gs://, az://)"
            )
        if self.is_s3:
            self._try_bucket()
        if not self.is_local:
            return
        with plain_errors(self.url):
            try:
                Path(self.root).mkdir(parents=True, exist_ok=True)
                write_beside(Path(self.path("writable")), b"", durable=False).unlink()
            except FileNotFoundError as error:
                raise StorageError(f"{self.url}: the folder cannot be made; choose another folder") from error

    def _try_bucket(self) -> None:
        name = self.path(f"writable.{uuid.uuid4().hex}.partial")  # which is nobody else's
        with plain_errors(self.url):
            try:
                self.fs.pipe_file(name, b"")
            except FileNotFoundError as error:
                raise StorageError(f"{self.url}: no such bucket; check the URL") from error
        with suppress(Exception):  # some buckets let nothing be removed
            self.fs.rm_file(name)

    def bad_sector(self, error: OSError) -> str:
        """Return what an error says if one file here is bad and not the storage; "" for any other.

        Only of a local disk: elsewhere the same numbers speak of a connection that was lost.
        """
        return bad_sector(error) if self.is_local else ""

    def boundary(self, operation: str, name: str) -> None:
        """Called right before and right after each change becomes visible. Does nothing; tests kill the run here."""

    def read(self, name: str) -> bytes:
        """Return the content of a file."""
        if self.is_s3:
            return b"".join(self._ranges(name))
        with plain_errors(f"{self.url}/{name}"):
            return bytes(self.fs.cat_file(self.path(name)))

    def blocks(self, name: str) -> Iterator[bytes]:
        """Yield the content of a file in blocks of a few MiB."""
        if self.is_s3:
            yield from self._ranges(name)
            return
        with plain_errors(f"{self.url}/{name}"), self.fs.open(self.path(name), "rb") as file:
            while block := file.read(BLOCK):
                yield block

    def size(self, name: str) -> int:
        """Return the size of a file in bytes."""
        with plain_errors(f"{self.url}/{name}"):
            return int(self.fs.info(self.path(name))["size"])

    def exists(self, name: str) -> bool:
        """Return whether there is a file or folder of this name."""
        with plain_errors(f"{self.url}/{name}"):
            return bool(self.fs.exists(self.path(name)))

    def is_file(self, name: str) -> bool:
        """Return whether there is a file of this name; one request, where ``exists`` takes two for one that is not."""
        if not self.is_s3:
            return self.exists(name)
        with plain_errors(f"{self.url}/{name}"):
            try:
                self.fs.cat_file(self.path(name), start=0, end=1)
            except FileNotFoundError:
                return False
            except OSError as error:
                if error.errno != errno.EINVAL:  # which is what S3 says to the first byte of an empty file
                    raise
        return True

    def names(self, folder: str) -> list[str]:
        """Return the names (last part only, sorted) in a folder; none if it does not exist."""
        with plain_errors(f"{self.url}/{folder}"):
            try:
                found = self.fs.ls(self.path(folder), detail=False)
            except (FileNotFoundError, NotADirectoryError):
                return []
        names = {str(path).rstrip("/").rsplit("/", 1)[-1] for path in found}
        return sorted(name for name in names if ".partial" not in name)

    def tree(self, folder: str = "") -> list[str]:
        """Return the names of all files in a folder (this one, or one in it), at any depth, sorted."""
        with plain_errors(self.url):
            found = self.fs.find(self.path(folder))
        return sorted(str(path).removeprefix(self.root).lstrip("/") for path in found)

    def put(self, name: str, data: bytes, *, durable: bool = True) -> None:
        """Write a file atomically. ``durable=False`` skips the flush to disk: enough against the death of a process."""
        with plain_errors(f"{self.url}/{name}"):
            if not self.is_local:
                self.boundary("put", name)
                self.fs.pipe_file(self.path(name), data)
                self.boundary("put-done", name)
                return
            self._replace(write_beside(Path(self.path(name)), data, durable), name, durable)

    def put_if_absent(self, name: str, data: bytes, *, durable: bool = True) -> bool:
        """Write a file atomically unless it exists; return whether it was written."""
        with plain_errors(f"{self.url}/{name}"):
            self.boundary("create", name)
            written = create(Path(self.path(name)), data, durable) if self.is_local else self._create(name, data)
            self.boundary("create-done", name)
            return written

    def put_file(self, source: Path, name: str) -> None:
        """Move a local file here, atomically: a rename on the same file system, else copy, flush and rename."""
        with plain_errors(f"{self.url}/{name}"):
            if not self.is_local:
                self.boundary("put", name)
                self.fs.put_file(str(source), self.path(name))
                self.boundary("put-done", name)
                return
            flush(source)
            self._replace(source, name, durable=True)

    def download(self, name: str, target: Path) -> None:
        """Copy a file from here to a local file."""
        target.parent.mkdir(parents=True, exist_ok=True)
        with plain_errors(str(target)), target.open("wb") as file:
            for block in self.blocks(name):
                file.write(block)

    def remove(self, name: str) -> None:
        """Remove a file or a folder with all it holds; nothing happens if there is none."""
        with plain_errors(f"{self.url}/{name}"), suppress(FileNotFoundError):
            self.boundary("remove", name)
            found = [] if self.is_local else self.fs.find(self.path(name))
            if any(sign in path for path in found for sign in MAGIC):
                for path in found:  # fsspec would take the path itself for a pattern
                    self.fs.rm_file(path)
            elif not self.is_s3:
                self.fs.rm(self.path(name), recursive=True)
            elif found:  # as listed: nothing is looked for again
                self.fs.rm(found)

    def remove_file(self, name: str) -> None:
        """Remove what is known to be a file, if it is there; one request."""
        with plain_errors(f"{self.url}/{name}"), suppress(FileNotFoundError):
            self.boundary("remove", name)
            self.fs.rm_file(self.path(name))

    def _ranges(self, name: str) -> Iterator[bytes]:
        """Yield the content of a file of S3, a request for each range; its size need not be asked for before."""
        start, more = 0, True
        while more:
            with plain_errors(f"{self.url}/{name}"):
                try:
                    piece = bytes(self.fs.cat_file(self.path(name), start=start, end=start + RANGE))
                except OSError as error:
                    if error.errno != errno.EINVAL or self.size(name) != start:
                        raise
                    return  # there is nothing from here on, which S3 calls an error
            yield piece
            start, more = start + len(piece), len(piece) == RANGE

    def _replace(self, file: Path, name: str, durable: bool) -> None:
        target = Path(self.path(name))
        self.boundary("put", name)
        move(file, target)
        self.boundary("put-done", name)
        if durable:
            flush(target.parent)

    def _create(self, name: str, data: bytes) -> bool:
        try:
            self.fs.pipe_file(self.path(name), data, mode="create")
        except OSError as error:
            # s3fs reports a failed If-None-Match (412) as EINVAL, and a lost race (409) as EBUSY.
            known = isinstance(error, FileExistsError) or error.errno in (errno.EINVAL, errno.EBUSY)
            if not known or not self.exists(name):
                raise
            # A put whose answer was lost is repeated by the client, and the repetition finds what the first one wrote.
            return self.read(name) == data
        return True
