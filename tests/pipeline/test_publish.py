"""Publishing: what an earlier result of the same video left goes, and nothing that is somebody else's."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest
from boundaries import Killed, kill_at
from whole_jobs import tree

from pipeline.artifacts import Artifact, Artifacts
from pipeline.fixity import ArtifactFile, digest_file
from pipeline.publish import NEXT, Publisher
from pipeline.storage import Storage
from stages.contract import ItemError

RICH = {"x.mkv": "old", "x.framemd5": "old", "x.h264.mp4": "old", "x.png/1.png": "old"}
PLAIN = {"x.mkv": "new"}
BAG = {"x.bag/data/x.mkv": "new", "x.bag/bagit.txt": "new"}


class Desk:
    """A workspace and an output folder, and results to publish there as ``reels/x``."""

    def __init__(self, root: Path) -> None:
        self.root, self.workspace, self.output = root, root / "work", root / "out"
        artifacts = Artifacts(Storage(self.workspace), root / "scratch")
        self.publisher = Publisher(artifacts, Storage(self.output))

    def publish(self, files: dict[str, str], print_: str, place: str = "reels/x") -> Artifact:
        made = self.root / "made"
        for name, text in files.items():
            (made / name).parent.mkdir(parents=True, exist_ok=True)
            (made / name).write_text(text)
        return self.publisher.publish(print_, made, place, {})

    def has(self, files: dict[str, str]) -> bool:
        return tree(self.output) == {f"reels/{name}": text.encode() for name, text in files.items()}


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.mark.parametrize("then", [PLAIN, BAG])
def test_a_result_leaves_nothing_of_the_one_before_it(desk: Desk, then: dict[str, str]) -> None:
    desk.publish(RICH, "a")
    assert desk.has(RICH)
    desk.publish(then, "b")
    assert desk.has(then) and not (desk.output / "reels" / "x.png").exists()
    desk.publish(RICH, "c")
    assert desk.has(RICH) and not (desk.output / "reels" / "x.bag").exists()


def test_the_results_of_other_videos_stay(desk: Desk) -> None:
    desk.publish({"y.mkv": "y", "y.framemd5": "y"}, "y", "reels/y")
    desk.publish(RICH, "a")
    desk.publish(PLAIN, "b")
    assert desk.has({**PLAIN, "y.mkv": "y", "y.framemd5": "y"})


@pytest.mark.parametrize("then", [PLAIN, BAG])
def test_killed_anywhere_nothing_goes_before_the_new_result_is_whole_and_the_next_run_tidies_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, then: dict[str, str]
) -> None:
    with monkeypatch.context() as patch:
        total = kill_at(patch, -1)
        desk = Desk(tmp_path / "counted")
        desk.publish(RICH, "a")
        before = total()
        desk.publish(then, "b")
        boundaries = total() - before
    assert boundaries > 8
    for target in range(1, boundaries + 1):
        desk = Desk(tmp_path / str(target))
        desk.publish(RICH, "a")
        with monkeypatch.context() as patch:
            kill_at(patch, target)
            with pytest.raises(Killed):
                desk.publish(then, "b")
        if desk.publisher.artifacts.record("assemble", "b") is None:
            missing = {f"reels/{name}" for name in RICH} - tree(desk.output).keys()
            assert not missing, f"killed at boundary {target}"
        if desk.publisher.lookup("b") is None:
            desk.publish(then, "b")
        assert desk.has(then), f"killed at boundary {target}"


def test_going_back_to_a_result_that_is_still_whole_removes_what_came_with_the_later_one(desk: Desk) -> None:
    desk.publish(PLAIN, "a")
    desk.publish({**PLAIN, "x.framemd5": "new"}, "b")
    assert desk.publisher.lookup("a") is not None and desk.has(PLAIN)
    assert desk.publisher.lookup("b") is None


def test_a_file_that_somebody_put_in_the_place_of_ours_is_neither_removed_nor_overwritten(desk: Desk) -> None:
    desk.publish(RICH, "a")
    (desk.output / "reels" / "x.h264.mp4").write_text("mine")
    desk.publish(PLAIN, "b")
    assert desk.has({**PLAIN, "x.h264.mp4": "mine"})
    with pytest.raises(ItemError, match=r"x\.h264\.mp4 exists and was not made by this workspace; move it away"):
        desk.publish(RICH, "a")
    assert desk.has({**PLAIN, "x.h264.mp4": "mine"})


def test_a_claim_that_does_not_say_what_was_published_learns_it(desk: Desk) -> None:
    desk.publish(RICH, "a")
    (claim,) = (desk.workspace / "outputs").rglob("*.json")
    known = json.loads(claim.read_text())
    claim.write_text(json.dumps({name: known[name] for name in ("output", "place")}))
    assert desk.publisher.lookup("a") is not None
    desk.publish(PLAIN, "b")
    assert desk.has(PLAIN)


def test_a_file_where_a_folder_is_needed_fails_that_video_alone(desk: Desk) -> None:
    desk.publish(PLAIN, "a")
    with pytest.raises(
        ItemError, match=r"/out/reels/x\.mkv is a file, where a folder is needed; move it away or choose"
    ):
        desk.publish({"in.mkv": "in"}, "b", "reels/x.mkv/in")
    assert desk.has(PLAIN)


def test_a_connection_lost_while_a_result_is_being_replaced_costs_no_record(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = desk.publish(RICH, "a")
    (desk.output / "reels" / "x.framemd5").write_text("new")  # as if it had died before the last write of ``replace``
    files = [ArtifactFile(file.name, *digest_file(desk.output / file.name)) for file in record.files]
    coming = Artifact(record.stage, "a", tuple(files))
    storage = desk.publisher.artifacts.storage
    storage.put(f"{desk.publisher.artifacts.folder(record.stage, 'a')}/{NEXT}", coming.to_json())
    read = Storage.read

    def lost(self: Storage, name: str) -> bytes:
        if name.endswith(NEXT):
            raise ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")
        return read(self, name)

    with monkeypatch.context() as patch, pytest.raises(ConnectionResetError):
        patch.setattr(Storage, "read", lost)
        desk.publisher.lookup("a")
    assert desk.publisher.lookup("a") == coming


@pytest.mark.parametrize("name", ["x.bag", "x.bag/data"])
def test_a_file_where_a_folder_is_needed_is_the_trouble_of_one_video(desk: Desk, name: str) -> None:
    (desk.output / "reels" / name).parent.mkdir(parents=True)
    (desk.output / "reels" / name).write_text("theirs")
    with pytest.raises(
        ItemError, match=r"reels/x\.bag/.*: a file is where a folder is expected; choose another folder$"
    ):
        desk.publish(BAG, "a")
