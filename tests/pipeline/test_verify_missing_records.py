"""Verifying an output folder whose records are gone or incomplete: what was not checked is never said to be whole."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cheap_stages import cheap_stages
from whole_jobs import write_clip

from jobs.verify import verify as command
from pipeline.config import load_config
from pipeline.run import run
from pipeline.storage import Storage, StorageError
from pipeline.sums import sums_row
from pipeline.verdicts import Verdict
from pipeline.verify import verify


def restore(root: Path, *settings: str) -> Path:
    write_clip(root / "library" / "a.mkv", frames=5, audio="flac")
    config = load_config(overrides=list(settings))
    places = [root / "library"], root / "restored", root / "workspace"
    report = run(config, *places, stages=cheap_stages(config))
    assert report.ok, report.failures
    return root / "restored"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of a run with the usual settings."""
    return restore(tmp_path_factory.mktemp("made"))


@pytest.fixture(scope="module")
def bagged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of a run that makes bags."""
    return restore(tmp_path_factory.mktemp("bagged"), "assemble.bag=true")


@pytest.fixture
def output(made: Path, tmp_path: Path) -> Path:
    """A copy to do harm to."""
    return shutil.copytree(made, tmp_path / "output")


def without(*suffixes: str) -> Callable[[Path], None]:
    def alter(folder: Path) -> None:
        for suffix in suffixes:
            (folder / f"a.{suffix}").unlink()

    return alter


def unlisted(*suffixes: str) -> Callable[[Path], None]:
    """Takes the rows of files out of the list."""

    def alter(folder: Path) -> None:
        rows = (folder / "a.sha256").read_text().splitlines(keepends=True)
        kept = [row for row in rows if not row.endswith(tuple(f" a.{suffix}\n" for suffix in suffixes))]
        (folder / "a.sha256").write_text("".join(kept))

    return alter


def both(*alterations: Callable[[Path], None]) -> Callable[[Path], None]:
    def alter(folder: Path) -> None:
        for each in alterations:
            each(folder)

    return alter


def with_captions(folder: Path) -> None:
    (folder / "a.mcc").write_text("File Format=MacCaption_MCC V1.0\n")


@pytest.mark.parametrize(
    ("alter", "told"),
    [
        (without("sha256"), ["a.sha256 is missing; a.provenance.json says that it was written"]),
        (without("sha256", "provenance.json"), ["a.sha256 is missing"]),
        (without("sha256", "provenance.json", "premis.xml", "framemd5"), ["a.sha256 is missing"]),
        (unlisted("premis.xml"), ["a.premis.xml is not in a.sha256"]),
        (
            unlisted("framemd5", "provenance.json"),
            [f"a.{x} is not in a.sha256" for x in ("framemd5", "provenance.json")],
        ),
        (
            both(unlisted("framemd5"), without("framemd5")),
            ["a.framemd5 is missing; a.provenance.json says that it was written"],
        ),
        (
            both(with_captions, unlisted("provenance.json"), without("provenance.json")),
            ["a.mcc is not in a.sha256"],
        ),
        (without("mkv"), ["is missing; its framemd5 and sha256 and provenance.json are there"]),
        (without("mkv", "framemd5", "sha256"), ["is missing; its provenance.json is there"]),
    ],
)
def test_a_missing_or_incomplete_list_is_a_difference(
    output: Path, alter: Callable[[Path], None], told: list[str]
) -> None:
    assert [(each.differences, each.unchecked) for each in verify(output)] == [((), "")]
    alter(output)
    assert [(each.video, list(each.differences), each.unchecked) for each in verify(output)] == [("a.mkv", told, "")]
    assert command(str(output)) == 2


def test_images_that_are_not_in_the_list_are_a_difference(output: Path) -> None:
    (output / "a.dpx").mkdir()
    (output / "a.dpx" / "00000001.dpx").write_bytes(b"SDPX")
    without("provenance.json")(output)
    unlisted("provenance.json")(output)
    (verdict,) = verify(output)
    assert verdict.differences == ("a.dpx is not in a.sha256",)


def test_captions_that_somebody_put_beside_a_video_are_not_checked(
    output: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with_captions(output)
    (verdict,) = verify(output)
    told = "a.mcc beside it: neither in a.sha256 nor in a.provenance.json, not checked"
    assert (verdict.differences, verdict.unchecked) == ((), told)
    assert command(str(output)) == 0
    said = capsys.readouterr().err.splitlines()
    assert said == [f"a.mkv: {told}", "0 videos verified: 0 whole, 0 not; 1 not checked, or not all of it"]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (["sha256=false"], "frames and audio packets alone were checked, by a.framemd5"),
        (["sha256=false", "framemd5=false"], "not checked"),
    ],
)
def test_a_video_made_without_records_is_not_said_to_be_whole(tmp_path: Path, settings: list[str], told: str) -> None:
    output = restore(tmp_path, *(f"assemble.{each}" for each in settings))
    (verdict,) = verify(output)
    assert (verdict.differences, verdict.unchecked) == ((), f"made without a.sha256; {told}")
    assert not verdict.whole and command(str(output)) == 0
    (verdict,) = verify(tmp_path / "workspace")
    assert verdict.whole, "which has sums of its own"


def test_the_frames_of_a_video_made_without_sums_are_checked(tmp_path: Path) -> None:
    output = restore(tmp_path, "assemble.sha256=false")
    data = bytearray((output / "a.mkv").read_bytes())
    data[len(data) * 2 // 3] ^= 1
    (output / "a.mkv").write_bytes(data)
    (verdict,) = verify(output)
    assert verdict.differences


def test_a_framemd5_without_the_sound_is_a_difference(tmp_path: Path) -> None:
    fixity = restore(tmp_path, "assemble.sha256=false") / "a.framemd5"
    rows = fixity.read_text().splitlines(keepends=True)
    video = [row for row in rows if not re.match(r"#\w+ 1: |1,", row)]
    assert len(video) < len(rows) - 2
    fixity.write_text("".join(video))
    (verdict,) = verify(fixity.parent)
    assert any("nothing was recorded" in each for each in verdict.differences)


def test_a_matroska_file_of_somebody_else_is_not_checked(output: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_clip(output / "below" / "other.mkv", frames=2)
    found = list(verify(output))
    told = "not checked: nothing beside it or in its tags says that Reelift made it"
    assert found == [Verdict("a.mkv", "", ()), Verdict("below/other.mkv", "", (), told)]
    assert command(str(output)) == 0
    assert capsys.readouterr().err.splitlines()[-1] == (
        "1 video verified: 1 whole, 0 not; 1 not checked, or not all of it"
    )
    for path in output.glob("a.*"):
        path.unlink()
    with pytest.raises(StorageError, match="neither a workspace nor a folder with videos"):
        list(verify(output))


def test_a_folder_that_cannot_be_listed_is_not_passed_over(
    output: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    closed = output / "closed"
    shutil.copytree(output, closed)
    scandir = os.scandir

    def listed(path: str) -> Any:  # as of a user who is not root
        if Path(path) == closed:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", listed)
    assert command(str(output)) == 1
    said = capsys.readouterr().err
    assert (
        said.startswith(f"error: {closed}: this folder cannot be listed (Permission denied)") and said.count("\n") == 1
    )


def test_an_output_with_a_folder_called_manifest_is_no_workspace(output: Path) -> None:
    (output / "manifest").mkdir()
    for path in output.glob("a.*"):
        path.rename(output / "manifest" / path.name)
    (output / "manifest" / "a.sha256").unlink()
    (verdict,) = verify(output)
    assert verdict.video == "manifest/a.mkv" and verdict.differences


def test_a_workspace_in_the_output_is_not_published(made: Path, output: Path) -> None:
    workspace = output / "run1"
    shutil.copytree(made.parent / "workspace", workspace)
    assert list(workspace.rglob("*.mkv")), "intermediate results"
    assert [verdict.video for verdict in verify(output)] == ["a.mkv"]


def test_bags_are_not_counted_as_videos(bagged: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert list(verify(bagged)) == [Verdict("a.bag/data/a.mkv", "", ()), Verdict("a.bag", "", (), bag=True)]
    assert command(str(bagged)) == 0
    assert capsys.readouterr().err == "1 video verified: 1 whole, 0 not; 1 bag: 1 whole, 0 not\n"


@pytest.mark.parametrize(
    ("missing", "told"),
    [
        (["bagit.txt"], ["bagit.txt is missing; tagmanifest-sha256.txt lists it"]),
        (
            ["bagit.txt", "tagmanifest-sha256.txt"],
            ["tagmanifest-sha256.txt of the bag is missing", "bagit.txt of the bag is missing"],
        ),
        (
            ["bagit.txt", "bag-info.txt", "tagmanifest-sha256.txt", "manifest-sha256.txt"],
            [
                *("manifest-sha256.txt of the bag is missing", "tagmanifest-sha256.txt of the bag is missing"),
                "bagit.txt of the bag is missing",
                *(f"data/a.{x} is in the bag, but in none of its manifests" for x in ("framemd5", "mkv")),
                *(f"data/a.{x} is in the bag, but in none of its manifests" for x in ("premis.xml", "provenance.json")),
                "data/a.sha256 is in the bag, but in none of its manifests",
            ],
        ),
    ],
)
def test_a_bag_without_its_declaration_is_a_difference(
    bagged: Path, tmp_path: Path, missing: list[str], told: list[str]
) -> None:
    output = shutil.copytree(bagged, tmp_path / "output")
    for name in missing:
        (output / "a.bag" / name).unlink()
    video, bag = verify(output)
    assert (video.differences, bag.video, list(bag.differences)) == ((), "a.bag", told)
    assert command(str(output)) == 2


@pytest.mark.parametrize("more", [[], ["assemble.provenance=false", "assemble.framemd5=false"]])
def test_in_a_bag_its_manifest_stands_for_the_sums(tmp_path: Path, more: list[str]) -> None:
    output = restore(tmp_path, "assemble.bag=true", "assemble.sha256=false", *more)
    assert all(verdict.whole for verdict in verify(output))
    video = output / "a.bag" / "data" / "a.mkv"
    video.write_bytes(video.read_bytes() + b"x")
    *_, bag = verify(output)
    assert bag.differences == ("data/a.mkv does not have the SHA-256 that manifest-sha256.txt has",)


def test_a_bag_that_somebody_made_of_the_output_is_one_bag(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made, tmp_path / "bag" / "data" / "tapes")
    (tmp_path / "bag" / "bagit.txt").write_text("BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n")
    for manifest, where in (("manifest", "data/tapes"), ("tagmanifest", "")):
        paths = sorted(path for path in (tmp_path / "bag" / where).iterdir() if path.is_file())
        rows = [
            sums_row(hashlib.sha256(path.read_bytes()).hexdigest(), path.relative_to(tmp_path / "bag").as_posix())
            for path in paths
        ]
        (tmp_path / "bag" / f"{manifest}-sha256.txt").write_text("".join(rows))
    assert list(verify(tmp_path / "bag")) == [Verdict("data/tapes/a.mkv", "", ()), Verdict(".", "", (), bag=True)]


def test_what_is_missing_in_an_object_store_is_found_likewise(made: Path, bagged: Path, tmp_path: Path) -> None:
    store = Storage(f"memory://{tmp_path.name}/output")
    for root, below in ((made, "plain/"), (bagged, "")):
        for path in root.rglob("*"):
            if path.is_file():
                store.put(below + path.relative_to(root).as_posix(), path.read_bytes())
    assert [verdict.video for verdict in verify(store.url) if verdict.whole] == [
        "a.bag/data/a.mkv",
        "plain/a.mkv",
        "a.bag",
    ]
    for name in ("plain/a.sha256", "a.bag/bagit.txt", "a.bag/tagmanifest-sha256.txt"):
        store.remove_file(name)
    assert {verdict.video: list(verdict.differences) for verdict in verify(store.url)} == {
        "a.bag/data/a.mkv": [],
        "plain/a.mkv": ["a.sha256 is missing; a.provenance.json says that it was written"],
        "a.bag": ["tagmanifest-sha256.txt of the bag is missing", "bagit.txt of the bag is missing"],
    }
