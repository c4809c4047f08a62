"""Verifying where the lists themselves (framemd5, SHA-256 sums, a bag's manifests) are damaged or hostile."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from whole_jobs import write_clip

from pipeline.storage import Storage
from pipeline.sums import read_sums, sums_row
from pipeline.verify import verify
from stages.assemble.check import write_framemd5


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An output folder with one video, its framemd5 and its sums."""
    folder = tmp_path_factory.mktemp("published")
    write_clip(folder / "a.mkv", frames=3)
    write_framemd5(folder / "a.mkv", folder / "a.framemd5", False)
    rows = (
        sums_row(hashlib.sha256((folder / name).read_bytes()).hexdigest(), name) for name in ("a.framemd5", "a.mkv")
    )
    (folder / "a.sha256").write_text("".join(rows))
    return folder


def differences(folder: Path) -> list[str]:
    return [each for verdict in verify(folder) for each in verdict.differences]


def test_whole_lists_pass(published: Path) -> None:
    assert differences(published) == []


@pytest.mark.parametrize(("rows", "gone"), [(slice(0), ["a.mkv", "a.framemd5"]), (slice(1), ["a.mkv"])])
def test_a_list_without_the_video_is_a_difference(
    published: Path, tmp_path: Path, rows: slice, gone: list[str]
) -> None:
    folder = shutil.copytree(published, tmp_path / "out")
    listed = (folder / "a.sha256").read_text().splitlines(keepends=True)[rows]
    (folder / "a.sha256").write_text("".join(listed))
    assert differences(folder) == [f"{name} is not in a.sha256" for name in gone]


def test_a_file_that_cannot_be_read_is_a_difference(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = Storage.blocks

    def bad_sectors(storage: Storage, name: str) -> Iterator[bytes]:
        if name.endswith("a.mkv"):
            raise OSError(errno.EIO, os.strerror(errno.EIO), name)
        return blocks(storage, name)

    monkeypatch.setattr(Storage, "blocks", bad_sectors)
    assert differences(published) == ["a.mkv cannot be read: [Errno 5] Input/output error: 'a.mkv'"]


@pytest.mark.parametrize("keep", [0, 40, -20])
def test_a_cut_framemd5_is_a_difference(published: Path, tmp_path: Path, keep: int) -> None:
    folder = shutil.copytree(published, tmp_path / "out")
    (folder / "a.sha256").unlink()
    fixity = folder / "a.framemd5"
    fixity.write_bytes(fixity.read_bytes()[:keep])
    assert any("was recorded" in each for each in differences(folder))


def test_a_framemd5_that_is_no_text_is_a_difference(published: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(published, tmp_path / "out")
    (folder / "a.framemd5").write_bytes(b"\xff\xfe\x00 0, 0")
    found = differences(folder)
    assert found[0] == "a.framemd5 does not have the SHA-256 that a.sha256 has"
    assert any("was recorded" in each for each in found[1:])


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("", "row 3 of a.sha256 is no SHA-256 and name"),
        ("spoilt", "row 3 of a.sha256 is no SHA-256 and name"),
        ("00  ../x", "../x leads out of the folder; a.sha256 lists it"),
        ("00  /etc/passwd", "/etc/passwd leads out of the folder; a.sha256 lists it"),
        ("00  gone", "gone is missing; a.sha256 lists it"),
        ("00  .", ". is missing; a.sha256 lists it"),
    ],
)
def test_a_damaged_or_hostile_sum_is_a_difference(published: Path, tmp_path: Path, row: str, told: str) -> None:
    folder = shutil.copytree(published, tmp_path / "out")
    with (folder / "a.sha256").open("a") as sums:
        sums.write(f"{row}\n")
    assert differences(folder) == [told]


def test_a_hostile_bag_is_a_difference(published: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(published, tmp_path / "out")
    (folder / "b.bag" / "data").mkdir(parents=True)
    (folder / "b.bag" / "bagit.txt").write_text("BagIt-Version: 0.97\n")
    (folder / "b.bag" / "manifest-sha256.txt").write_text("00  ../../x\n")
    (folder / "b.bag" / "tagmanifest-sha256.txt").write_text("\n00  /etc/passwd\n00  data\n")
    assert differences(folder) == [
        "../../x leads out of the folder; manifest-sha256.txt lists it",
        "row 1 of tagmanifest-sha256.txt is no SHA-256 and name",
        "/etc/passwd leads out of the folder; tagmanifest-sha256.txt lists it",
        "data is missing; tagmanifest-sha256.txt lists it",
    ]


def test_sums_of_odd_names_are_those_of_sha256sum(tmp_path: Path) -> None:
    names = ["plain", " a  b ", "line\nbreak", "back\\slash", "next\x85line\u2028", "*star"]
    rows = []
    for name in names:
        (tmp_path / name).write_text(name)
        rows.append(sums_row(hashlib.sha256(name.encode()).hexdigest(), name))
    text = "".join(rows)
    assert [listed for _, listed in read_sums(text)] == names
    (tmp_path / "all.sha256").write_text(text, encoding="utf-8")
    subprocess.run(["sha256sum", "--check", "--strict", "all.sha256"], cwd=tmp_path, check=True, capture_output=True)
