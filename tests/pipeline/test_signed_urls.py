"""Sources whose addresses carry a signature or other parameters, which are no part of any name."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import fsspec
import pytest
from signed_server import SECRET, Signed, served
from whole_jobs import tree

from pipeline import manifest
from pipeline.passed_over import links_with_parameters, passed_over
from pipeline.report import RunReport
from pipeline.source_files import lend
from pipeline.sources import InputError, expand
from pipeline.storage import Storage
from stages.media.probe import open_video

Restore = Callable[..., RunReport]

SIGNED = f"?X-Amz-Credential=AKIA/20260101/us-east-1/s3/aws4_request&X-Amz-Signature={SECRET}&more={'0' * 300}"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The address of a tape and of what is none."""
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "tape.mkv").write_text("3 tape")
    (tmp_path / "served" / "empty.mkv").write_text("")
    with served(tmp_path / "served") as address:
        yield address


def test_no_name_and_no_record_of_a_result_holds_the_signature(restore: Restore, server: str, tmp_path: Path) -> None:
    report = restore(inputs=[f"{server}/tape.mkv{SIGNED}", f"{server}/empty.mkv{SIGNED}"])
    assert report.videos == {f"{server}/tape.mkv": "done", f"{server}/empty.mkv": "failed"}
    assert (tmp_path / "restored" / "tape.mkv").is_file()
    rows = [row for table in manifest.read(Storage(tmp_path / "workspace"), "videos") for row in table.to_pylist()]
    assert {row["output"] for row in rows} == {"tape", "empty"}
    kept = {**tree(tmp_path / "restored"), **tree(tmp_path / "workspace")}
    assert not [name for name, data in kept.items() if SECRET in name or SECRET.encode() in data]


def test_what_a_video_that_was_downloaded_says_of_itself_holds_no_signature(server: str, tmp_path: Path) -> None:
    with (
        lend(f"{server}/tape.mkv{SIGNED}", tmp_path) as local,
        pytest.raises(Exception, match=r"tape\.mkv: ") as caught,
    ):
        open_video(local)
    assert local.name == "tape.mkv" and SECRET not in str(caught.value)


def test_parameters_that_are_no_secrets_are_no_part_of_a_name_either(server: str, tmp_path: Path) -> None:
    (row,) = expand([f"{server}/tape.mkv?from=a/b&{SECRET}#start"], tmp_path / "out")
    assert (row.output, row.shown, row.size) == ("tape", f"{server}/tape.mkv", 6)
    place = f"memory://{uuid.uuid4().hex}/tape.mov"
    with fsspec.open(f"{place}?versionId=3", "w") as file:
        file.write("3 tape")
    (row,) = expand([f"{place}?versionId=3"], tmp_path / "out")
    assert (row.output, row.shown, row.size) == ("tape", place, 6)


def test_two_addresses_that_differ_in_their_parameters_alone_are_refused(server: str, tmp_path: Path) -> None:
    one, other = f"{server}/tape.mkv?take=1&{SECRET}", f"{server}/tape.mkv?take=2&{SECRET}"
    with pytest.raises(InputError) as caught:
        expand([one, other], tmp_path / "out")
    assert str(caught.value) == (
        f"{server}/tape.mkv is given twice, with different parameters or credentials, and both would become tape.mkv; "
        "give it once, or run them with different outputs and workspaces"
    )
    assert len(expand([one, one], tmp_path / "out")) == 1


def test_what_is_not_there_is_a_row_and_no_pattern_that_matches_nothing(server: str, tmp_path: Path) -> None:
    rows = expand([f"{server}/gone.mkv{SIGNED}", f"{server}/tape.mkv{SIGNED}"], tmp_path / "out")
    assert [(row.output, row.size) for row in rows] == [("gone", -1), ("tape", 6)]


def test_an_address_that_has_expired_is_told_in_one_line(server: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=rf"^{server}/tape\.mkv: cannot be read \(403, .*\); check the URL") as caught:
        expand([f"{server}/tape.mkv?X-Amz-Signature=old", f"{server}/empty.mkv{SIGNED}"], tmp_path / "out")
    assert "old" not in str(caught.value)


def test_what_is_passed_over_is_told_without_what_its_address_carries(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Signed, "asked", "")
    links = "".join(f'<a href="{name}">{name}</a>' for name in ("tape.mkv", f"other.mkv?X-Amz-Signature={SECRET}"))
    (tmp_path / "served" / "index.html").write_text(links)
    rows = expand([f"{server}/"], tmp_path / "out")
    assert [row.output for row in rows] == ["tape"]
    assert passed_over([f"{server}/"], rows) == {".mkv?": 1}
    assert links_with_parameters([f"{server}/", f"{server}/tape.mkv?x=1", "http://127.0.0.1:9/", tmp_path]) == [
        f"{server}/other.mkv"
    ]
