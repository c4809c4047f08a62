"""Folders that cannot be listed: what lies in them is not known, so nobody may go on as if it were nothing."""

from __future__ import annotations

import errno
import os
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.spec import AbstractFileSystem

from pipeline.passed_over import linked_folders, passed_over
from pipeline.sources import InputError, expand

Locked = Callable[..., None]


@pytest.fixture
def locked(monkeypatch: pytest.MonkeyPatch) -> Locked:
    """Have a folder listed by nobody; the rights alone would not keep root from it."""
    scandir = os.scandir

    def lock(folder: Path, number: int = errno.EACCES) -> None:
        def refuse(place: Any = ".") -> Any:
            if Path(place) == folder:
                raise OSError(number, os.strerror(number), str(place))
            return scandir(place)

        monkeypatch.setattr(os, "scandir", refuse)

    return lock


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.ESTALE])
def test_a_subfolder_that_cannot_be_listed_is_named_and_ends_the_call(
    library: Path, tmp_path: Path, locked: Locked, number: int
) -> None:
    locked(library / "a", number)
    message = rf"^{library}/a: this folder cannot be listed \({os.strerror(number)}\), .*; see to it, or name the other"
    for call in (lambda: expand([library], tmp_path / "out"), lambda: linked_folders([library])):
        with pytest.raises(InputError, match=message):
            call()


def test_an_input_folder_that_cannot_be_listed_ends_the_call(library: Path, tmp_path: Path, locked: Locked) -> None:
    (tmp_path / "other.mkv").write_text("x")
    locked(library)
    with pytest.raises(InputError, match=f"^{library}: this folder cannot be listed"):
        expand([tmp_path / "other.mkv", library], tmp_path / "out")


@pytest.mark.parametrize("pattern", ["**/*.mp4", "*/one.mp4", "a/*.mp4", "**"])
def test_a_glob_through_a_folder_that_cannot_be_listed_ends_the_call(
    library: Path, tmp_path: Path, locked: Locked, pattern: str
) -> None:
    if pattern == "*/one.mp4":  # which looks for the name, and lists nothing but the folder above
        locked(library)
    else:
        locked(library / "a")
    with pytest.raises(InputError, match="this folder cannot be listed"):
        expand([f"{library}/{pattern}", library / "two.mp4"], tmp_path / "out")


def test_a_glob_beside_a_folder_that_cannot_be_listed_is_none_of_its_business(
    library: Path, tmp_path: Path, locked: Locked
) -> None:
    locked(library / "a")
    assert [row.output for row in expand([f"{library}/*.m*"], tmp_path / "out")] == ["three", "two"]


def test_what_the_repair_of_a_disk_has_found_is_left_to_root(library: Path, tmp_path: Path, locked: Locked) -> None:
    (library / "lost+found").mkdir()
    locked(library / "lost+found")
    rows = expand([library], tmp_path / "out")
    assert [row.output for row in rows] == ["a/one", "three", "two"]
    assert not passed_over([library], rows) and not linked_folders([library])


def test_a_folder_that_is_removed_during_the_search_is_no_trouble(
    library: Path, tmp_path: Path, locked: Locked
) -> None:
    locked(library / "a", errno.ENOENT)
    assert [row.output for row in expand([library], tmp_path / "out")] == ["three", "two"]
    assert linked_folders([library / "gone", library / "two.mp4"]) == []


def test_a_remote_folder_that_cannot_be_listed_ends_the_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = f"memory://{uuid.uuid4().hex}/lib"
    for name in ("a/x.mp4", "y.mov"):
        with fsspec.open(f"{root}/{name}", "w") as file:
            file.write(name)
    kind = type(fsspec.filesystem("memory"))
    monkeypatch.setattr(kind, "find", AbstractFileSystem.find)  # as that of SFTP or SMB, which have real folders
    ls = kind.ls

    def refuse(self: Any, path: str, detail: bool = True, **options: Any) -> Any:
        if path.endswith("/a"):
            raise OSError(errno.EIO, "connection lost")
        return ls(self, path, detail=detail, **options)

    monkeypatch.setattr(kind, "ls", refuse)
    with pytest.raises(InputError, match=rf"^{root}: cannot be read \(connection lost\); check the URL"):
        expand([root], tmp_path / "out")
