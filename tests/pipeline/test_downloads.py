"""Sources that have to be downloaded, and what may come in between."""

from __future__ import annotations

import errno
import http.server
import io
import os
import threading
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import pytest
from whole_jobs import events

from pipeline import source_files
from pipeline.config import RunConfig
from pipeline.places import without_secrets
from pipeline.recorded import recorded
from pipeline.report import RunReport
from pipeline.storage import Storage, StorageError
from report.account import read_account

Restore = Callable[..., RunReport]
Opened = Callable[..., Any]


@pytest.fixture
def bucket(library: Path) -> str:
    """The library on a remote file system."""
    root = f"memory://{uuid.uuid4().hex}"
    for path in library.rglob("*.m*"):
        with fsspec.open(f"{root}/{path.relative_to(library)}", "wb") as file:
            file.write(path.read_bytes())
    return root


@pytest.fixture
def hiccups(monkeypatch: pytest.MonkeyPatch) -> list[Exception | None]:
    """What the remote file system will say to those who ask for ``two.mp4``, from the last on; None: here it is."""
    kind, waiting = type(fsspec.filesystem("memory")), []
    usual = kind._open

    def hiccup(self: Any, path: str, mode: str = "rb", *args: Any, **options: Any) -> Any:
        if path.endswith("two.mp4") and mode == "rb" and waiting and (error := waiting.pop()) is not None:
            raise error
        return usual(self, path, mode, *args, **options)

    monkeypatch.setattr(kind, "_open", hiccup)
    monkeypatch.setattr(source_files, "PAUSE", 0.0)
    return waiting


def test_a_disk_that_is_full_while_a_source_is_downloaded_ends_the_run(
    restore: Restore, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual: Opened = Path.open

    def full(path: Path, mode: str = "r", *args: Any, **options: Any) -> Any:
        if mode == "wb" and path.name == "one.mp4":
            return usual(Path("/dev/full"), mode, buffering=0)
        return usual(path, mode, *args, **options)

    monkeypatch.setattr(Path, "open", full)
    place = f"{tmp_path}/workspace/scratch"
    with pytest.raises(StorageError, match=f"^{place}[^:]*: the disk is full; free some space and run the same line"):
        restore(inputs=[bucket])
    monkeypatch.undo()
    assert restore(inputs=[bucket]).ok


def test_a_hiccup_of_the_network_during_a_download_is_not_the_end_of_a_video(
    restore: Restore, bucket: str, hiccups: list[Exception | None]
) -> None:
    hiccups += [ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"), TimeoutError("timed out")]
    report = restore(inputs=[bucket])
    assert report.ok and report.stages["split"]["retried"] == 2


def test_a_source_that_cannot_be_downloaded_is_given_up_and_stops_no_other(
    restore: Restore, bucket: str, hiccups: list[Exception | None]
) -> None:
    hiccups += [RuntimeError("403, url='https://host/two.mp4?signature=secret'")] * 5
    report = restore(inputs=[bucket], config=RunConfig.model_validate({"limits": {"attempts": 2}}))
    (failure,) = report.failures
    assert failure.source.endswith("two.mp4") and len(hiccups) == 3
    assert "403" in failure.message and "secret" not in failure.message
    assert report.videos[failure.source] == "failed" and sum(state == "failed" for state in report.videos.values()) == 1


def test_a_file_that_changes_where_no_server_says_so_is_not_joined_with_what_it_was(
    restore: Restore, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, opened = type(fsspec.filesystem("memory")), []
    usual = kind._open

    def another(self: Any, path: str, mode: str = "rb", *args: Any, **options: Any) -> Any:
        if path.endswith("two.mp4") and mode == "rb":
            opened.append(path)
            if len(opened) > 1:
                return io.BytesIO(b"20 owt")
        return usual(self, path, mode, *args, **options)

    monkeypatch.setattr(kind, "_open", another)
    report = restore(inputs=[bucket])
    (failure,) = report.failures
    assert failure.stage == "assemble" and failure.source.endswith("two.mp4")
    assert "the file changed after it was split; run again when it is complete" in failure.message
    assert report.count("done") == 2


def test_an_address_that_has_expired_when_it_is_read_again_is_secret_in_tracebacks_too(
    restore: Restore, bucket: str, hiccups: list[Exception | None], tmp_path: Path
) -> None:
    expired = "403, message='Forbidden', url='https://me:pw@host/two.mp4?X-Amz-Signature=SECRETSIG'"
    hiccups += [*[RuntimeError(expired)] * 3, None]  # split gets it, assemble does not
    (failure,) = restore(inputs=[bucket]).failures
    assert failure.stage == "assemble" and "https://host/two.mp4" in failure.traceback
    for row in events(tmp_path / "workspace"):
        assert "SECRETSIG" not in str(row) and "me:pw" not in str(row)


def test_a_source_that_cannot_be_read_fails_with_its_attempts_and_a_traceback(
    restore: Restore, bucket: str, hiccups: list[Exception | None], tmp_path: Path
) -> None:
    hiccups += [RuntimeError("403, url='https://host/two.mp4?signature=secret'")] * 5
    (failure,) = restore(inputs=[bucket], config=RunConfig.model_validate({"limits": {"attempts": 2}})).failures
    assert failure.attempts == 2 and failure.error_class == "OSError"
    assert "RuntimeError: 403, url='https://host/two.mp4'" in failure.traceback
    rows = [row for row in events(tmp_path / "workspace") if row["source"] == failure.source]
    assert [(row["outcome"], row["attempt"]) for row in rows] == [("retried", 1), ("failed", 2)]
    assert all(row["traceback"] and "secret" not in str(row) for row in rows)


def test_what_may_not_be_read_is_not_asked_for_again(
    restore: Restore, bucket: str, hiccups: list[Exception | None]
) -> None:
    hiccups += [PermissionError(errno.EACCES, os.strerror(errno.EACCES))] * 3
    (failure,) = restore(inputs=[bucket]).failures
    assert failure.message.endswith("two.mp4: permission denied; give this user read access") and len(hiccups) == 2


def test_a_bucket_that_wants_credentials_ends_the_run(
    restore: Restore, bucket: str, hiccups: list[Exception | None]
) -> None:
    hiccups += [type("NoCredentialsError", (Exception,), {})("Unable to locate credentials")] * 3
    with pytest.raises(StorageError, match=r"two\.mp4: no credentials were found; set them in the environment$"):
        restore(inputs=[bucket])


def test_no_url_in_a_message_tells_what_nobody_else_should_know() -> None:
    said = without_secrets("Cannot connect to 'https://me:pw@host/a.mp4?sig=x' (ftp://me:pw@host:21/b)")
    assert said == "Cannot connect to 'https://host/a.mp4' (ftp://host:21/b)"
    assert (
        without_secrets("GET http://host/Mum's old tape.mkv?sig=x failed")
        == "GET http://host/Mum's old tape.mkv failed"
    )
    assert without_secrets("GET http://me:p'w@host/Mum's.mkv?sig=x failed") == "GET http://host/Mum's.mkv failed"
    assert without_secrets("zip://a.mkv::http://me:pw@host/a.zip?sig=x is") == "zip://a.mkv::http://host/a.zip is"


class Chunked(http.server.BaseHTTPRequestHandler):
    """Gives one file, and says no size of it."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("ETag", "one")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(b"7\r\n25 long\r\n0\r\n\r\n")

    def do_HEAD(self) -> None:
        self.do_GET()

    def log_message(self, *words: object) -> None:
        pass


def test_the_size_of_a_source_is_known_where_its_server_does_not_say_it(restore: Restore, tmp_path: Path) -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Chunked) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}/tape.mkv"
        assert restore(inputs=[url]).count("done") == 1
        assert restore(inputs=[url]).count("reused") == 1
        server.shutdown()
    assert recorded(Storage(tmp_path / "workspace"))[url].size == 7
    assert [video.size for video in read_account(Storage(tmp_path / "workspace")).videos] == [7]
