"""What to restore: files, folders, globs and URLs, expanded to a list of videos with a place in the output."""

from __future__ import annotations

import glob as globbing
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from pipeline.artifacts import digest_file
from pipeline.image_folders import (
    fetch_folder,
    folder_sha256,
    local_image_folders,
    look_at_folder,
    look_at_remote_folder,
    remote_image_folders,
)
from pipeline.rows import SourceRow
from pipeline.storage import BLOCK, Storage, file_system
from stages.contract import ItemError

SUFFIXES = frozenset(
    [
        *(".3g2", ".3gp", ".asf", ".avi", ".dv", ".f4v", ".flv", ".m1v", ".m2t", ".m2ts", ".m2v", ".m4v", ".mkv"),
        *(".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".mxf", ".nut", ".ogm", ".ogv", ".qt", ".rm", ".rmvb", ".ts"),
        *(".vob", ".webm", ".wmv", ".y4m"),
    ]
)
_MAGIC = "*?["


class InputError(Exception):
    """The inputs or the output cannot be used as given. One line."""


def redact(url: str) -> str:
    """Return a URL without user, password, query and fragment; a local path as it is."""
    if "://" not in url:
        return url
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def plain(name: str) -> str:
    """Return a name as it is if it is UTF-8, else with its other bytes as ``\\xe9``: manifest and reports are UTF-8."""
    return name.encode(errors="surrogateescape").decode(errors="backslashreplace")


def expand(inputs: Sequence[str | Path], output: str | Path = "", workspace: str | Path = "") -> list[SourceRow]:
    """Return the videos that the inputs name, sorted by their place in the output.

    A folder is searched for files with a known video suffix, and for folders of numbered images without such files;
    its tree is mirrored in the output. A file that is named
    is taken whatever its suffix. A glob's tree starts at its first wildcard. A named file that does not exist is
    returned with size -1: it becomes a failed row and stops nobody.

    Raises:
        InputError: if nothing is found, if the output or the workspace is an input folder or inside one, or if two
            inputs would be published under one name.
    """
    rows: dict[str, SourceRow] = {}
    for given in inputs:
        if output:
            _keep_apart(str(given), output, "output")
        if workspace:
            _keep_apart(str(given), workspace, "workspace")
        for row in _expand(str(given)):
            other = rows.setdefault(row.output.casefold(), row)
            if other.shown != row.shown:
                raise InputError(
                    f"{other.shown} and {row.shown} would both become {row.output}.mkv; rename one, or run them with "
                    "different output folders"
                )
    if output:
        _keep_sources(rows.values(), output)
    if not rows:
        raise InputError(
            f"no video was found in {', '.join(redact(str(given)) for given in inputs)}; check the path (folders are "
            "searched for the suffixes of videos; name a file to have it taken whatever its suffix)"
        )
    return sorted(rows.values(), key=lambda row: row.output)


@contextmanager
def localise(source: SourceRow, scratch: Path) -> Iterator[Path]:
    """Lend the source as a local file: itself, or a download that is removed at the end.

    Raises:
        ItemError: if it is gone, unreadable or not the file that was found (other size or version).
    """
    check(source)
    if _is_local(source.url):
        yield Path(source.url)
        return
    fs, path = _open(source.url)
    target = scratch / (PurePosixPath(path).name or "source")  # errors name the file
    try:
        try:
            if fs.isdir(path):
                fetch_folder(fs, path, target)
            else:
                with fs.open(path, "rb") as remote, target.open("wb") as local:
                    while block := remote.read(BLOCK):
                        local.write(block)
        except FileNotFoundError as error:
            raise ItemError(f"{source.shown}: no such file") from error
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
    try:
        size, version = _look(source.url)
    except FileNotFoundError as error:
        raise ItemError(f"{source.shown}: no such file; it was there when the run began") from error
    except PermissionError as error:
        raise ItemError(f"{source.shown}: permission denied; give this user read access") from error
    if _is_local(source.url) and not (
        _path(source.url).is_file() or _path(source.url).is_dir()
    ):  # a pipe would be read for ever
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
        raise ItemError(f"{shown}: the file is empty")
    return sha256


def _keep_sources(rows: Iterable[SourceRow], output: str | Path) -> None:
    place = Storage(output)
    if not place.is_local:
        targets = {f"{place.url}/{row.output}.mkv" for row in rows} & {row.shown for row in rows}
    else:
        sources = {_path(row.url).resolve() for row in rows if _is_local(row.url)}
        targets = {str(path) for path in sources & {Path(place.path(f"{row.output}.mkv")).resolve() for row in rows}}
    if targets:
        raise InputError(f"{min(targets)} is a source and would be written to; choose another output folder")


def _expand(given: str) -> list[SourceRow]:
    if _is_local(given):
        return _expand_local(_path(given))
    fs, root = _open(given)
    if any(sign in root for sign in _MAGIC):
        fixed = root[: min(root.index(sign) for sign in _MAGIC if sign in root)].rpartition("/")[0]
        return [_row(given, fs, path, fixed) for path in fs.glob(root) if not fs.isdir(path)]
    if fs.isdir(root):
        every = fs.find(root)
        found = [path for path in every if PurePosixPath(path).suffix.lower() in SUFFIXES]
        return [_row(given, fs, path, root) for path in [*found, *remote_image_folders(every, SUFFIXES)]]
    return [_row(given, fs, root, root.rpartition("/")[0])]


def _expand_local(path: Path) -> list[SourceRow]:
    if path.is_dir():
        found = [
            Path(folder) / name
            for folder, _, names in os.walk(path)
            for name in names
            if Path(name).suffix.lower() in SUFFIXES and not name.startswith(".")
        ]
        return [_local_row(file, path) for file in [*found, *local_image_folders(path, SUFFIXES)]]
    if any(sign in str(path) for sign in _MAGIC) and not path.exists():
        cut = min(str(path).index(sign) for sign in _MAGIC if sign in str(path))
        fixed = Path(str(path)[:cut].rpartition("/")[0] or "/")
        matches = [Path(match) for match in globbing.glob(str(path), recursive=True)]  # noqa: PTH207
        folders = [folder for match in matches if match.is_dir() for folder in local_image_folders(match, SUFFIXES)]
        return [_local_row(match, fixed) for match in [*(m for m in matches if m.is_file()), *folders]]
    return [_local_row(path, path.parent)]


def _local_row(path: Path, root: Path) -> SourceRow:
    try:
        size, version = _look(str(path))
    except OSError:
        size, version = -1, ""
    return SourceRow(
        str(path),
        plain(str(path)),
        _place(plain((path.relative_to(root) if path != root else Path(path.name)).as_posix())),
        size,
        version,
    )


def _row(given: str, fs: Any, path: str, root: str) -> SourceRow:
    # Unstripping loses what the URL itself carried (credentials, a query), so a lone file keeps the URL as given.
    url = given if path == root or given.rstrip("/").endswith(path) else fs.unstrip_protocol(path)
    try:
        size, version = _look(url)
    except OSError:
        size, version = -1, ""
    relative = path.removeprefix(root).lstrip("/") or PurePosixPath(path).name
    return SourceRow(url, redact(url), _place(relative), size, version)


def _place(relative: str) -> str:
    place = PurePosixPath(relative)
    if place.is_absolute() or ".." in place.parts:
        raise InputError(f"{relative!r} leads out of the input folder")
    return str(place.with_suffix("")) if place.suffix.lower() in SUFFIXES else str(place)


def _look(url: str) -> tuple[int, str]:
    """Return size and version (modification time or ETag)."""
    if _is_local(url):
        if _path(url).is_dir():
            return look_at_folder(_path(url))
        status = _path(url).stat()
        return status.st_size, str(status.st_mtime_ns)
    fs, path = _open(url)
    if fs.isdir(path):
        return look_at_remote_folder(fs, path)
    info = fs.info(path)
    version = next((info[key] for key in ("ETag", "etag", "mtime", "LastModified", "created") if info.get(key)), "")
    return int(info.get("size") or 0), str(version)


def _open(url: str) -> tuple[Any, str]:
    return file_system(url, use_listings_cache=False)


def _is_local(url: str) -> bool:
    return "://" not in url or url.startswith(("file://", "local://"))


def _path(url: str) -> Path:
    """Return a local path, absolute but with its symbolic links as they are."""
    return Path(os.path.abspath(url.partition("://")[2] if "://" in url else Path(url).expanduser()))  # noqa: PTH100


def _keep_apart(given: str, other: str | Path, what: str) -> None:
    place = Storage(other)
    if _is_local(given) != place.is_local:
        return
    if place.is_local:
        source, target = _path(given).resolve(), Path(place.root).resolve()
        inside = source.is_dir() and (target == source or source in target.parents)
    else:
        fs, root = _open(given)
        root = root.rstrip("/")
        inside = (
            type(fs) is type(place.fs) and fs.isdir(root) and (place.root == root or place.root.startswith(root + "/"))
        )
    if inside:
        raise InputError(f"the {what} {place.url} is inside the input {redact(given)}; choose another folder")
