from __future__ import annotations

import errno
import os
import uuid
from pathlib import Path
from threading import Thread

import pytest

from pipeline.epoch import Epoch
from pipeline.storage import Storage, StorageError, plain_errors


@pytest.fixture(params=["local", "memory"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    return Storage(tmp_path / "s" if request.param == "local" else f"memory://{uuid.uuid4().hex}/s")


def test_what_is_put_is_read(storage: Storage) -> None:
    storage.put("a/b/c", b"1")
    storage.put("a/b/c", b"22")
    assert storage.read("a/b/c") == b"22" and storage.size("a/b/c") == 2 and storage.exists("a/b")
    assert storage.is_file("a/b/c") and not storage.is_file("a/b/d")
    assert storage.names("a/b") == ["c"] and storage.names("a") == ["b"] and storage.names("none") == []
    storage.remove("a")
    storage.remove("a")
    assert not storage.exists("a/b/c")
    with pytest.raises(FileNotFoundError):
        storage.read("a/b/c")


def test_the_first_one_keeps_the_name(storage: Storage) -> None:
    assert storage.put_if_absent("x", b"1") and not storage.put_if_absent("x", b"2")
    assert storage.read("x") == b"1"
    assert storage.names("") == ["x"]


def test_files_move_in_and_out(storage: Storage, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc" * 1000)
    storage.put_file(tmp_path / "file", "folder/file")
    storage.download("folder/file", tmp_path / "back" / "file")
    assert (tmp_path / "back" / "file").read_bytes() == b"abc" * 1000
    assert b"".join(storage.blocks("folder/file")) == b"abc" * 1000


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/etc/passwd"])
def test_no_name_leads_out(storage: Storage, name: str) -> None:
    with pytest.raises(ValueError, match="leads out"):
        storage.put(name, b"")


def test_one_of_many_wins(tmp_path: Path) -> None:
    storage, wins = Storage(tmp_path), []
    threads = [
        Thread(target=lambda n=n: wins.append(n) if storage.put_if_absent("x", str(n).encode()) else None)
        for n in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [str(n).encode() for n in wins] == [storage.read("x")]


def test_a_store_that_overwrites_claims_is_refused(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    def careless(self: Storage, name: str, data: bytes, *, durable: bool = True) -> bool:
        self.put(name, data)
        return True

    Epoch.claim(storage).close()
    monkeypatch.setattr(Storage, "put_if_absent", careless)
    with pytest.raises(StorageError, match="overwrites what a conditional put"):
        Epoch.claim(storage)


def test_without_hard_links_the_first_one_still_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    storage = Storage(tmp_path)
    assert storage.put_if_absent("x", b"1") and not storage.put_if_absent("x", b"2") and storage.read("x") == b"1"
    assert not list(tmp_path.glob("*.partial"))


@pytest.mark.parametrize(
    ("number", "words"), [(28, "disk is full"), (122, "quota"), (13, "permission"), (30, "read-only")]
)
def test_what_no_retry_mends_is_one_clear_line(number: int, words: str) -> None:
    with pytest.raises(StorageError, match=f"^/somewhere: .*{words}"), plain_errors("/somewhere"):
        try:
            raise OSError(number, os.strerror(number))
        except OSError as error:
            raise RuntimeError("wrapped") from error
    with pytest.raises(FileNotFoundError), plain_errors("/somewhere"):
        raise FileNotFoundError("x")


def test_a_local_path_is_never_a_chain_of_file_systems(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for given, folder in (("a::b", "a::b"), (tmp_path / "memory::c", "memory::c"), (f"file://{tmp_path}/d::e", "d::e")):
        place = Storage(given)
        place.put("x", b"1")
        assert place.is_local and place.url == f"{tmp_path}/{folder}" and (tmp_path / folder / "x").read_bytes() == b"1"
    assert Storage("~").url == str(Path.home())


def test_two_colons_in_a_bucket_are_part_of_a_name() -> None:
    pytest.importorskip("s3fs", reason="s3fs is not installed")
    assert Storage("s3://bucket/a::b/c").url == "s3://bucket/a::b/c"  # which asks no server for anything


def test_a_place_that_cannot_be_reached_is_one_line_without_secrets() -> None:
    message = r"^ftp://127\.0\.0\.1:9/x: cannot be reached \(Connection refused\); check the URL, your rights and"
    with pytest.raises(StorageError, match=message):
        Storage("ftp://user:secret@127.0.0.1:9/x")


@pytest.mark.parametrize("length", [1, 213, 214, 255])
def test_a_long_name_leaves_room_for_the_temporary_one(tmp_path: Path, length: int) -> None:
    storage = Storage(tmp_path)
    storage.put("x" * length, b"data")
    assert storage.put_if_absent("x" * length, b"other") is False
    assert [path.name for path in tmp_path.iterdir()] == ["x" * length]


def test_of_partial_files_only_those_of_this_program_are_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where scratch is on another disk, a copy that crashed leaves a temporary file beside its target."""
    (tmp_path / "out").mkdir()
    (tmp_path / "made").write_bytes(b"made")
    theirs = {"tape.mkv.rsync.partial", f"tape.mkv.{'0' * 31}.partial", f"tape.mkv.{'0' * 33}.partial"}
    theirs |= {f"tape.mkv.{'g' * 32}.partial", f"tape.mkv.{'0' * 32}.old.partial", f"tape.mkv.x.{'0' * 32}.partial"}
    for name in theirs | {f"tape.mkv.{uuid.uuid4().hex}.partial"}:
        (tmp_path / "out" / name).write_bytes(b"x")
    replace = Path.replace

    def between_mounts(self: Path, target: Path) -> Path:
        if self.parent != target.parent:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        return replace(self, target)

    # Two mounts of one disk, as containers have them, look like one file system and are none.
    monkeypatch.setattr(Path, "replace", between_mounts)
    Storage(tmp_path / "out").put_file(tmp_path / "made", "tape.mkv")
    assert {path.name for path in (tmp_path / "out").iterdir()} == theirs | {"tape.mkv"}
    assert (tmp_path / "out" / "tape.mkv").read_bytes() == b"made"
