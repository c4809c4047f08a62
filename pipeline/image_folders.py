"""Folders of numbered images as sources: found, described, fetched and hashed as one video each."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

from pipeline.file_systems import version_of
from pipeline.fixity import digest_file
from pipeline.searching import walk
from stages.media.sequence import find_sequence


def local_image_folders(root: Path, videos: frozenset[str]) -> list[Path]:
    """The folders at and below ``root`` that hold an image sequence and no file with a suffix of ``videos``.

    Raises:
        InputError: if a folder cannot be listed.
    """
    return [Path(folder) for folder, _, names in walk(root) if _is_sequence(names, videos)]


def remote_image_folders(files: Iterable[str], videos: frozenset[str]) -> list[str]:
    """The same among the paths of a remote file system."""
    folders: dict[str, list[str]] = defaultdict(list)
    for file in files:
        folder, _, name = file.rpartition("/")
        folders[folder].append(name)
    return [folder for folder, names in folders.items() if _is_sequence(names, videos)]


def _is_sequence(names: list[str], videos: frozenset[str]) -> bool:
    kinds = {PurePosixPath(name).suffix.lower() for name in names}
    return not kinds & videos and find_sequence(name for name in names if not name.startswith(".")) is not None


def look_at_folder(folder: Path) -> tuple[int, str]:
    """Size of the images in bytes, and a version that changes when one of them does."""
    states = [(name, (folder / name).stat()) for name in _names(folder)]
    marks = (f"{name} {state.st_size} {state.st_mtime_ns}" for name, state in states)
    return sum(state.st_size for _, state in states), _version(marks)


def look_at_remote_folder(fs: Any, path: str) -> tuple[int, str]:
    """The same of a folder on a remote file system."""
    entries = {PurePosixPath(each["name"]).name: each for each in fs.ls(path, detail=True)}
    sequence = find_sequence(entries)
    if sequence is None:
        raise FileNotFoundError(path)
    found = [entries[name] for name in sequence.names]
    return sum(int(each.get("size") or 0) for each in found), _version(map(version_of, found))


def fetch_folder(fs: Any, path: str, target: Path) -> None:
    """Download the images of a remote folder into ``target``."""
    target.mkdir()
    sequence = find_sequence(PurePosixPath(each["name"]).name for each in fs.ls(path, detail=True))
    for name in sequence.names if sequence else ():
        fs.get_file(f"{path.rstrip('/')}/{name}", str(target / name))


def folder_sha256(folder: Path) -> str:
    """SHA-256 over the images' own SHA-256 and names, one line each as sha256sum writes them, in order."""
    lines = [f"{digest_file(folder / name)[1]}  {name}\n" for name in _names(folder)]
    return hashlib.sha256("".join(lines).encode(errors="surrogateescape")).hexdigest()


def _names(folder: Path) -> tuple[str, ...]:
    sequence = find_sequence(path.name for path in folder.iterdir() if path.is_file())
    if sequence is None:
        raise FileNotFoundError(f"no images in {folder}")
    return sequence.names


def _version(marks: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(marks).encode(errors="surrogateescape")).hexdigest()
