from __future__ import annotations

import errno
import os
import uuid
from pathlib import Path

import pytest

from pipeline.artifacts import Artifact, Artifacts
from pipeline.fixity import describe
from pipeline.storage import Storage, StorageError

PRINT = "ab" * 32


@pytest.fixture(params=["local", "memory"])
def artifacts(request: pytest.FixtureRequest, tmp_path: Path) -> Artifacts:
    storage = Storage(tmp_path / "w" if request.param == "local" else f"memory://{uuid.uuid4().hex}/w")
    return Artifacts(storage, tmp_path / "scratch", on_damage=lambda *what: damage.append(what))


damage: list[tuple[str, str, str]] = []


@pytest.fixture(autouse=True)
def no_damage() -> None:
    damage.clear()


def made(tmp_path: Path, text: str = "frames") -> Path:
    folder = tmp_path / uuid.uuid4().hex
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "frames.mkv").write_text(text)
    (folder / "table.json").write_text("{}")
    return folder


def test_a_commit_is_found_and_fetched(artifacts: Artifacts, tmp_path: Path) -> None:
    assert artifacts.lookup("split", PRINT) is None
    with pytest.raises(FileNotFoundError):
        artifacts.fetch("split", PRINT)
    artifact = artifacts.commit("split", PRINT, made(tmp_path), {"frames": 10})
    assert artifacts.lookup("split", PRINT) == artifact == Artifact.from_json(artifact.to_json())
    assert artifact.facts == {"frames": 10} and artifact.size == 8
    folder = artifacts.fetch("split", PRINT)
    assert (folder / "deep" / "frames.mkv").read_text() == "frames"
    artifacts.release(folder)
    assert folder.exists() == artifacts.storage.is_local


def test_the_first_commit_stays(artifacts: Artifacts, tmp_path: Path) -> None:
    first = artifacts.commit("split", PRINT, made(tmp_path), {})
    assert artifacts.commit("split", PRINT, made(tmp_path, "others"), {}) == first


@pytest.mark.parametrize("how", ["shorter", "changed", "missing", "record", "no files"])
def test_damage_is_reported_and_removed(artifacts: Artifacts, tmp_path: Path, how: str) -> None:
    artifacts.commit("split", PRINT, made(tmp_path), {})
    folder = artifacts.folder("split", PRINT)
    name = f"{folder}/deep/frames.mkv"
    if how == "missing":
        artifacts.storage.remove(name)
    elif how == "record":
        artifacts.storage.put(f"{folder}/artifact.json", b'{"stage": "split", ')
    elif how == "no files":
        artifacts.storage.put(f"{folder}/artifact.json", Artifact("split", PRINT, ()).to_json())
    else:
        artifacts.storage.put(name, b"fram" if how == "shorter" else b"framed")
    assert artifacts.lookup("split", PRINT) is None
    assert len(damage) == 1 and damage[0][:2] == ("split", PRINT)
    assert not artifacts.storage.exists(folder)
    artifacts.commit("split", PRINT, made(tmp_path), {})
    assert artifacts.lookup("split", PRINT)


def test_sizes_alone_miss_a_changed_byte_and_say_so_by_their_name(artifacts: Artifacts, tmp_path: Path) -> None:
    artifacts.commit("split", PRINT, made(tmp_path), {})
    artifacts.storage.put(f"{artifacts.folder('split', PRINT)}/deep/frames.mkv", b"framed")
    artifacts.verify = "size"
    assert artifacts.lookup("split", PRINT)


def test_what_a_crashed_commit_left_does_not_reach_the_next_stage(tmp_path: Path) -> None:
    artifacts = Artifacts(Storage(tmp_path / "w"), tmp_path / "scratch")
    artifacts.storage.put(f"{artifacts.folder('split', PRINT)}/stale.bin", b"x")
    artifacts.commit("split", PRINT, made(tmp_path), {})
    assert {file.name for file in describe(artifacts.fetch("split", PRINT))} == {
        "artifact.json",
        "deep/frames.mkv",
        "table.json",
    }


def test_a_reserved_name_is_refused(artifacts: Artifacts, tmp_path: Path) -> None:
    folder = made(tmp_path)
    (folder / "artifact.json").write_text("{}")
    with pytest.raises(ValueError, match="reserved"):
        artifacts.commit("split", PRINT, folder, {})


@pytest.mark.parametrize("how", ["missing", "empty"])
def test_nothing_is_no_artifact(artifacts: Artifacts, tmp_path: Path, how: str) -> None:
    folder = tmp_path / "made"
    if how == "empty":
        (folder / "deep").mkdir(parents=True)
    with pytest.raises(ValueError, match=rf"^{folder}: stage split left no file there, .*; run the same line again$"):
        artifacts.commit("split", PRINT, folder, {})
    assert artifacts.lookup("split", PRINT) is None and not damage


def test_a_store_that_does_not_answer_has_damaged_nothing(
    artifacts: Artifacts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a lost connection clients of S3 say "EIO", as a disk does of a bad sector."""
    number = errno.ENOTCONN if artifacts.storage.is_local else errno.EIO
    committed = artifacts.commit("split", PRINT, made(tmp_path), {})

    def gone(*_: object) -> bytes:
        raise OSError(number, os.strerror(number))

    for operation in ("read", "blocks"):
        with monkeypatch.context() as patch:
            patch.setattr(artifacts.storage, operation, gone)
            with pytest.raises(OSError, match=os.strerror(number)):
                artifacts.lookup("split", PRINT)
    assert artifacts.lookup("split", PRINT) == committed and not damage


def test_what_nobody_may_remove_is_not_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    artifacts = Artifacts(Storage(tmp_path / "w"), tmp_path / "scratch")
    artifacts.commit("split", PRINT, made(tmp_path), {})
    artifacts.storage.put(f"{artifacts.folder('split', PRINT)}/table.json", b"{")

    def read_only(*_: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(artifacts.storage.fs, "rm_file", read_only)
    with pytest.raises(StorageError, match="the file system is read-only"):
        artifacts.lookup("split", PRINT)
