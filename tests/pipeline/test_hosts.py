"""File systems whose host is a part of the URL and not of the path, as that of FTP: inputs may lie there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import fsspec
import pytest
from fsspec.implementations.ftp import FTPFileSystem
from fsspec.implementations.memory import MemoryFileSystem
from fsspec.utils import infer_storage_options
from image_folders import write_images

from pipeline.passed_over import passed_over
from pipeline.report import RunReport
from pipeline.source_files import localise
from pipeline.sources import expand
from pipeline.storage import Storage, StorageError

Restore = Callable[..., RunReport]

SECRET = "nas://user:secret@nas.example:2121"
SHOWN = "nas://nas.example:2121"


class Nas(MemoryFileSystem):
    """Files of several hosts, of which ``nas.example`` alone is known."""

    protocol = "nas"
    cachable = False
    files: ClassVar[dict[str, Any]] = {}

    def __init__(self, host: str = "", port: int = 0, username: str = "", password: str = "", **options: Any) -> None:
        super().__init__(**options)
        if (host, port, username, password) != ("nas.example", 2121, "user", "secret"):
            raise ConnectionRefusedError(111, "Connection refused")
        self.store, self.pseudo_dirs = self.files, [""]

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return f"/{infer_storage_options(path)['path'].strip('/')}".rstrip("/")

    @staticmethod
    def _get_kwargs_from_urls(path: str) -> dict[str, Any]:
        found = infer_storage_options(path)
        return {key: value for key, value in found.items() if key not in ("path", "protocol")}


@pytest.fixture(autouse=True)
def nas() -> Nas:
    """A server with two tapes, a text and a folder of images."""
    fsspec.register_implementation("nas", Nas, clobber=True)
    Nas.files = {}
    server = Nas("nas.example", 2121, "user", "secret")
    for name, text in (("a/one.mp4", "25 one"), ("two.mov", "3 two"), ("notes.txt", "x")):
        server.pipe_file(f"/tapes/{name}", text.encode())
    return server


@pytest.mark.parametrize("given", ["/tapes", "/tapes/", "", "/", "/tapes/*.mov", "/tapes/**/*.m*", "/tapes/two.mov"])
def test_a_file_that_is_found_there_keeps_its_host(tmp_path: Path, given: str) -> None:
    rows = expand([SECRET + given], tmp_path / "out", tmp_path / "work")
    names = ["/tapes/two.mov"] if "two" in given or given.endswith("/*.mov") else ["/tapes/a/one.mp4", "/tapes/two.mov"]
    assert [row.url for row in rows] == [SECRET + name for name in names]
    assert [row.shown for row in rows] == [SHOWN + name for name in names]
    with localise(rows[-1], tmp_path) as local:
        assert local.read_text() == "3 two"


def test_so_does_a_folder_of_images(nas: Nas, tmp_path: Path) -> None:
    for path in write_images(tmp_path / "reel", "png", frames=2).iterdir():
        nas.pipe_file(f"/scans/reel/{path.name}", path.read_bytes())
    (row,) = expand([f"{SECRET}/scans"], tmp_path / "out")
    assert (row.url, row.output) == (f"{SECRET}/scans/reel", "reel")
    (tmp_path / "scratch").mkdir()
    with localise(row, tmp_path / "scratch") as lent:
        assert len(list(lent.iterdir())) == 2


def test_a_library_there_is_restored_and_known_again(restore: Restore, tmp_path: Path) -> None:
    report = restore(inputs=[f"{SECRET}/tapes"])
    assert report.ok and set(report.videos) == {f"{SHOWN}/tapes/a/one.mp4", f"{SHOWN}/tapes/two.mov"}
    assert restore(inputs=[f"{SECRET}/tapes"]).count("reused") == 2
    assert not any(b"secret" in path.read_bytes() for path in (tmp_path / "workspace").rglob("*") if path.is_file())
    assert passed_over([f"{SECRET}/tapes"], expand([f"{SECRET}/tapes"])) == {".txt": 1}


@pytest.mark.parametrize("place", ["output", "workspace"])
@pytest.mark.parametrize("folder", ["/results", "/results/", ""])
def test_results_and_workspace_are_refused_there(
    restore: Restore, nas: Nas, tmp_path: Path, place: str, folder: str
) -> None:
    """One put is not atomic there, nor would the workers find it."""
    before = dict(nas.store)
    with pytest.raises(StorageError) as caught:
        restore(**{place: SECRET + folder})
    assert str(caught.value) == (
        f"{SHOWN}{folder.rstrip('/')}: only inputs may have a URL of this kind; for output and workspace give a folder "
        "(a mounted share is one), or a place in an object store (s3://, gs://, az://)"
    )
    assert nas.store == before and not (tmp_path / "journal").exists()


@pytest.mark.parametrize("url", ["ftp://nas:2121/archive/run1", "webhdfs://nas:9870/archive/run1"])
def test_what_is_read_there_is_shown_with_its_host(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setattr(FTPFileSystem, "_connect", lambda self: None)
    monkeypatch.setattr(FTPFileSystem, "__del__", lambda self: None)
    place = Storage(url.replace("//", "//user:secret@"))
    assert (place.url, place.root) == (url, "/archive/run1")


@pytest.mark.parametrize("url", ["https://nas.example/archive/run1", "simplecache::memory://archive/run1"])
def test_so_are_other_urls_that_are_more_than_protocol_and_path(url: str) -> None:
    place = Storage(url)
    assert place.url == url
    with pytest.raises(StorageError, match="only inputs may have a URL of this kind"):
        place.prepare()


@pytest.mark.parametrize("url", ["memory://archive/run1", "memory://archive/run1/"])
def test_object_stores_are_known_by_protocol_and_path(url: str) -> None:
    place = Storage(url)
    place.prepare()
    assert place.url == "memory://archive/run1"
