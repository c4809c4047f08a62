"""A file that the disk has and cannot read any more: it is made again, and stops no run."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.local import LocalFileOpener
from whole_jobs import tree

from pipeline import manifest
from pipeline.config import RunConfig
from pipeline.report import RunReport
from pipeline.storage import Storage, StorageError

Restore = Callable[..., RunReport]

MARK = b"a bad sector"


@pytest.fixture(autouse=True)
def disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the reading of what ``spoil`` has spoilt fail as that of a bad sector does."""
    read = LocalFileOpener.read

    def try_to(self: LocalFileOpener, *size: int) -> bytes:
        data = read(self, *size)
        if data == MARK:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return data

    monkeypatch.setattr(LocalFileOpener, "read", try_to)


def spoil(path: Path) -> None:
    """Make a file one that cannot be read any more."""
    path.write_bytes(MARK)


def unpublish(tmp_path: Path) -> dict[str, bytes]:
    """Remove the results, so that all chunks are looked up again; return what they were."""
    before = tree(tmp_path / "restored")
    for path in (tmp_path / "restored").rglob("*.mkv"):
        path.unlink()
    return before


def messages(tmp_path: Path) -> list[str]:
    """What was reported as damaged."""
    rows = (row for table in manifest.read(Storage(tmp_path / "workspace"), "events") for row in table.to_pylist())
    return [row["message"] for row in rows if row["outcome"] == "damaged"]


@pytest.mark.parametrize(
    ("stage", "name"),
    [("sample", "sample.bin"), ("sample", "artifact.json"), ("split", "frames.mkv"), ("split", "chunks.json")],
)
def test_a_committed_artifact_on_a_bad_sector_is_made_again(
    restore: Restore, tmp_path: Path, stage: str, name: str
) -> None:
    restore()
    before = unpublish(tmp_path)
    spoil(sorted((tmp_path / "workspace" / "artifacts" / stage).rglob(name))[0])
    report = restore()
    assert report.ok and report.stages[stage]["damaged"] == 1
    assert f"{name} cannot be read (Input/output error)" in messages(tmp_path)
    assert tree(tmp_path / "restored") == before
    assert restore().computed() == 0


@pytest.mark.parametrize("verify", ["full", "size"])
def test_a_plan_on_a_bad_sector_stops_no_removal_of_artifacts(
    restore: Restore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verify: str
) -> None:
    restore()
    plans = sorted((tmp_path / "workspace" / "artifacts" / "split").rglob("chunks.json"))
    read = Path.read_text

    def try_to(self: Path, *how: Any, **more: Any) -> str:
        if self == plans[0]:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return read(self, *how, **more)

    if verify == "full":
        spoil(plans[0])
    monkeypatch.setattr(Path, "read_text", try_to)
    report = restore(config=RunConfig.model_validate({"limits": {"keep_artifacts": False, "verify": verify}}))
    assert report.ok and report.count("reused") == 3 and report.stages["split"]["damaged"] == 1
    assert messages(tmp_path) == ["chunks.json cannot be read (Input/output error)"]
    assert not any(plan.exists() for plan in plans)


@pytest.mark.parametrize("table", ["videos", "events"])
def test_a_part_of_the_manifest_on_a_bad_sector_is_named(restore: Restore, tmp_path: Path, table: str) -> None:
    restore()
    part = sorted((tmp_path / "workspace" / "manifest" / table).iterdir())[0]
    spoil(part)
    told = f"{part}: damaged (Input/output error); remove it and run the same line again: what it told of is found by"
    with pytest.raises(StorageError, match=re.escape(told)):
        list(manifest.read(Storage(tmp_path / "workspace"), table))
    if table == "videos":
        with pytest.raises(StorageError, match=re.escape(told)):
            restore()
    part.unlink()
    assert restore().ok


def test_the_settings_of_a_run_on_a_bad_sector_are_named(restore: Restore, tmp_path: Path) -> None:
    restore()
    spoil(tmp_path / "workspace" / "run.yaml")
    told = f"{tmp_path}/workspace/run.yaml cannot be read (Input/output error); restore it or use another workspace"
    with pytest.raises(StorageError, match=re.escape(told)):
        restore()


def test_whatever_else_cannot_be_read_is_named_too(tmp_path: Path) -> None:
    spoil(tmp_path / "x.json")
    for call in (lambda: Storage(tmp_path).read("x.json"), lambda: list(Storage(tmp_path).blocks("x.json"))):
        with pytest.raises(OSError, match="Input/output error") as caught:
            call()
        assert caught.value.filename == f"{tmp_path}/x.json" and caught.value.errno == errno.EIO


def test_a_published_video_on_a_bad_sector_is_made_again(restore: Restore, tmp_path: Path) -> None:
    restore()
    before = tree(tmp_path / "restored")
    spoil(tmp_path / "restored" / "two.mkv")
    report = restore()
    assert report.ok and report.stages["assemble"] == {"damaged": 1, "done": 1, "reused": 2}
    assert messages(tmp_path) == ["published two.mkv cannot be read (Input/output error)"]
    assert tree(tmp_path / "restored") == before


def test_the_record_of_a_published_video_on_a_bad_sector_is_made_again(restore: Restore, tmp_path: Path) -> None:
    restore()
    before = tree(tmp_path / "restored")
    spoil(next((tmp_path / "workspace" / "artifacts" / "assemble").rglob("artifact.json")))
    report = restore()
    assert report.ok and report.stages["assemble"] == {"done": 1, "reused": 2}
    assert tree(tmp_path / "restored") == before


@pytest.mark.parametrize("published", [True, False])
def test_a_claim_on_a_bad_sector_is_one_all_the_same_and_is_written_anew(
    restore: Restore, tmp_path: Path, published: bool
) -> None:
    restore()
    before = tree(tmp_path / "restored")
    if not published:
        unpublish(tmp_path)
    claims = {path: path.read_bytes() for path in (tmp_path / "workspace" / "outputs").rglob("*.json")}
    for path in claims:
        spoil(path)
    report = restore()
    assert report.ok and report.count("reused" if published else "done") == 3
    assert tree(tmp_path / "restored") == before
    assert {path: path.read_bytes() for path in claims} == claims


@pytest.mark.parametrize("name", ["sample.bin", "artifact.json"])
def test_what_the_disk_cannot_remove_either_is_written_over(
    restore: Restore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    restore()
    before = unpublish(tmp_path)
    bad = sorted((tmp_path / "workspace" / "artifacts" / "sample").rglob(name))[0]
    spoil(bad)
    folder = bad.parent.relative_to(tmp_path / "workspace").as_posix()

    def refuse(self: Storage, operation: str, name: str) -> None:
        if operation == "remove" and name.startswith(folder):
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(Storage, "boundary", refuse)
        assert restore().ok
    what = f"{name} cannot be read (Input/output error); it cannot be removed either (Input/output error)"
    assert what in messages(tmp_path)
    assert tree(tmp_path / "restored") == before
    assert restore().computed() == 0


def test_a_folder_that_takes_nothing_any_more_costs_its_own_video_only(
    restore: Restore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    restore()
    unpublish(tmp_path)
    bad = sorted((tmp_path / "workspace" / "artifacts" / "sample").rglob("sample.bin"))[0]
    spoil(bad)
    folder = bad.parent.relative_to(tmp_path / "workspace").as_posix()

    def refuse(self: Storage, operation: str, name: str) -> None:
        if name.startswith(folder):
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(Storage, "boundary", refuse)
    report = restore()
    assert sorted(report.videos.values()) == ["done", "done", "failed"]
    (failure,) = report.failures
    assert (failure.stage, failure.outcome) == ("sample", "gave_up") and "Input/output error" in failure.message


@pytest.mark.parametrize("number", [errno.ENOTCONN, errno.ESTALE])
def test_a_workspace_that_is_gone_ends_the_run_in_one_line(
    restore: Restore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    restore()
    unpublish(tmp_path)
    before = tree(tmp_path / "workspace" / "artifacts")

    def gone(*_: Any) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(Storage, "blocks", gone)
        with pytest.raises(StorageError, match=rf"failed \(\[Errno {number}\] .*\); run the same line again$"):
            restore()
    assert tree(tmp_path / "workspace" / "artifacts") == before
    assert restore().ok
