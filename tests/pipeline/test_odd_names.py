"""Names that mean something to a shell, a URL or a terminal, and are names all the same."""

from __future__ import annotations

import hashlib
import os
import uuid
import zipfile
from collections.abc import Callable
from pathlib import Path

import fsspec
import pytest
from image_folders import write_images
from whole_jobs import write_clip

from pipeline.passed_over import passed_over
from pipeline.report import RunReport
from pipeline.source_files import content_sha256, lend, localise
from pipeline.sources import expand, redact
from pipeline.storage import Storage

ODD = (
    "take #1.mov",
    "take #2.mov",
    "why?.mov",
    "clip [1].mov",
    "C:\\tapes\\x.mov",
    "100%.mov",
    "ä ö.mov",
    "a@b.mov",
)


@pytest.fixture
def bucket() -> str:
    """A folder of an object store with videos of odd names, and what macOS leaves beside them."""
    root = f"memory://{uuid.uuid4().hex}/lib [1990]"
    for name in (*ODD, "._take #1.mov", ".hidden.mov"):
        with fsspec.open(f"{root}/{name}", "w") as file:
            file.write(name)
    return root


def test_every_video_of_a_bucket_is_itself(bucket: str, tmp_path: Path) -> None:
    rows = expand([bucket], tmp_path / "out")
    assert sorted(row.output for row in rows) == sorted(name.removesuffix(".mov") for name in ODD)
    assert len({row.shown for row in rows}) == len(ODD)
    for row in rows:
        with localise(row, tmp_path) as local:
            assert local.read_text() == f"{row.output}.mov"


@pytest.mark.parametrize("name", ODD)
def test_a_video_of_a_bucket_can_be_named(bucket: str, tmp_path: Path, name: str) -> None:
    (row,) = expand([f"{bucket}/{name}"], tmp_path / "out")
    assert (row.output, row.size) == (name.removesuffix(".mov"), len(name.encode()))


def test_two_colons_are_part_of_a_local_name(restore: Callable[..., RunReport], tmp_path: Path) -> None:
    library = tmp_path / "reel::2"
    library.mkdir()
    (library / "take::1.mov").write_text("3 take")
    (library / "notes.txt").write_text("x")
    places = {"output": tmp_path / "out::1" / "memory::x", "workspace": f"file://{tmp_path}/work::zip"}
    assert restore(inputs=[library], **places).ok
    assert (tmp_path / "out::1" / "memory::x" / "take::1.mkv").is_file()
    assert (tmp_path / "work::zip" / "manifest").is_dir()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["journal", "library", "out::1", "reel::2", "work::zip"]
    again = restore(inputs=[library / "take::1.mov"], **places)
    assert again.ok and not again.computed()
    assert passed_over([library], expand([library])) == {".txt": 1}


def test_two_colons_still_chain_what_can_be_chained(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("lib/x.mov", "in a zip")
    with lend(f"zip://lib/x.mov::{tmp_path}/a.zip", tmp_path) as local:
        assert local.read_text() == "in a zip"
    with fsspec.open("memory://chained/x.mov", "w") as file:
        file.write("cached")
    (row,) = expand(["simplecache::memory://chained/x.mov"], tmp_path / "out")
    assert (row.output, row.size) == ("x", 6)


def test_a_name_that_begins_with_a_tilde_is_nobodys_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("~$tape.mkv").write_text("x")
    (row,) = expand(["~$tape.mkv"], tmp_path / "out")
    assert row.size == 1


@pytest.mark.parametrize(
    ("name", "output"), [("..mkv", "..mkv"), ("...mkv", "...mkv"), (".mkv", ".mkv"), (".x.mkv", ".x"), ("x..mkv", "x.")]
)
def test_dots_before_a_suffix_lead_nowhere(tmp_path: Path, name: str, output: str) -> None:
    (tmp_path / name).write_text("x")
    (row,) = expand([tmp_path / name], tmp_path / "out")
    assert row.output == output


def test_no_secret_is_shown_and_no_name_is_cut() -> None:
    assert redact("https://u:p@host/a b.mp4?X-Amz-Signature=secret#x") == "https://host/a b.mp4"
    assert redact("simplecache::https://host?token=secret") == "simplecache::https://host"
    assert redact("s3://key:secret@bucket/take #1?.mov") == "s3://bucket/take #1?.mov"
    assert redact("abfs://disk/a.mov?sv=2022&sig=secret") == "abfs://disk/a.mov"


def test_a_folder_with_brackets_is_removed_from_a_bucket(bucket: str) -> None:
    storage = Storage(bucket)
    storage.put("attempts/1/x [2].json", b"{}")
    storage.remove("attempts/1")
    assert storage.names("attempts/1") == []
    storage.remove("clip [1].mov")
    assert not storage.exists("clip [1].mov") and storage.exists("take #1.mov")
    storage.remove("never was")


def test_what_is_left_alone_can_be_told_whatever_its_name(tmp_path: Path) -> None:
    library = tmp_path / "lib"
    write_clip(library / "a.mkv", frames=1)
    write_images(tmp_path / "reel", "png", frames=2).rename(os.fsdecode(os.fsencode(library) + b"/r\xe9el"))
    Path(os.fsdecode(os.fsencode(library) + b"/notes.t\xe9")).write_text("x")
    found = passed_over([library], expand([library]))
    assert found == {".t\\xe9": 1}


def test_a_remote_folder_of_images_is_lent_whole_by_its_name_alone(tmp_path: Path) -> None:
    local = write_images(tmp_path / "reel", "png", frames=3)
    root = f"memory://{uuid.uuid4().hex}"
    for path in local.iterdir():
        with fsspec.open(f"{root}/reel/{path.name}", "wb") as file:
            file.write(path.read_bytes())
    (row,) = expand([f"{root}/reel"], tmp_path / "out")
    (tmp_path / "scratch").mkdir()
    with lend(row.shown, tmp_path / "scratch") as lent:
        assert content_sha256(lent, "reel") == content_sha256(local, "reel")
    with pytest.raises(FileNotFoundError), lend(f"{root}/gone.mov", tmp_path / "scratch"):
        pass
    assert not list((tmp_path / "scratch").iterdir())


def test_images_whose_names_are_not_utf8_are_hashed_like_others(tmp_path: Path) -> None:
    reel = write_images(tmp_path / "reel", "png", frames=2)
    for number, image in enumerate(sorted(reel.iterdir())):
        image.rename(os.fsdecode(os.fsencode(reel) + b"/t\xe9l_%04d.png" % number))
    listed = b"".join(
        hashlib.sha256(image.read_bytes()).hexdigest().encode() + b"  " + os.fsencode(image.name) + b"\n"
        for image in sorted(reel.iterdir())
    )
    assert content_sha256(reel, "reel") == hashlib.sha256(listed).hexdigest()
