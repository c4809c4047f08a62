"""What ``status`` says when a run with other settings was begun and not finished."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.simulated_stages import Simulation
from pipeline.again import failed
from pipeline.config import RunConfig
from pipeline.fingerprint import STAGES
from pipeline.report import RunReport
from pipeline.standing import Step
from pipeline.status import status
from pipeline.stopping import Stop
from pipeline.storage import Storage
from report.account import read_account

Restore = Callable[..., RunReport]


def begin_anew(restore: Restore, stage: str, last: str = "", chunk: int = -1) -> None:
    """Restore the library with another setting of a stage, and stop when another one has done a chunk, or a video."""
    stop = Stop()

    def progress(step: Step) -> None:
        if step.made and (step.stage, step.chunk) == (last or stage, chunk) and step.item:
            stop.ask()

    restore(Simulation(settings={stage: 1}), allow_changed=True, stop=stop, progress=progress)


def states(workspace: Path) -> dict[str, str]:
    return {video.output: video.state for video in read_account(Storage(workspace)).videos}


@pytest.mark.parametrize(
    ("stage", "last", "chunk"), [("split", "flow", 1), ("flow", "flow", 0), ("decode", "decode", 2)]
)
def test_a_video_that_was_begun_anew_and_not_finished_is_left(
    restore: Restore, tmp_path: Path, stage: str, last: str, chunk: int
) -> None:
    restore()
    begin_anew(restore, stage, last, chunk)
    found = status(str(tmp_path / "workspace"))
    assert found["videos"] == {"total": 3, "done": 2, "failed": 0, "left": 1}
    assert found["stages"]["assemble"]["left"] == 1
    assert found["stages"]["assemble"]["standing"]["done"] == 2
    assert states(tmp_path / "workspace") == {"a/one": "left", "three": "done", "two": "done"}
    assert failed(Storage(tmp_path / "workspace")) == {}, "nothing to retry"
    assert restore(Simulation(settings={stage: 1}), allow_changed=True).ok
    assert status(str(tmp_path / "workspace"))["videos"]["done"] == 3


def test_where_only_assembly_is_set_otherwise_too(restore: Restore, tmp_path: Path) -> None:
    restore()
    simulation = Simulation(settings={"assemble": 1}, faults={("assemble", -1): "setup"})
    with pytest.raises(Exception, match="stage assemble cannot start"):
        restore(simulation, allow_changed=True)
    assert status(str(tmp_path / "workspace"))["videos"] == {"total": 3, "done": 2, "failed": 0, "left": 1}


def test_a_copy_of_it_is_left_as_well(restore: Restore, tmp_path: Path, library: Path) -> None:
    (library / "copy.mp4").write_text("25 one")
    restore()
    begin_anew(restore, "flow", chunk=0)
    assert status(str(tmp_path / "workspace"))["videos"] == {"total": 4, "done": 2, "failed": 0, "left": 2}


def test_a_new_copy_leaves_the_first_one_done(restore: Restore, tmp_path: Path, library: Path) -> None:
    restore()
    (library / "copy.mp4").write_text("25 one")
    faults = {("assemble", -1): "raise"}
    restore(Simulation(faults=faults))
    assert status(str(tmp_path / "workspace"))["videos"] == {"total": 4, "done": 3, "failed": 1, "left": 0}


def test_a_copy_whose_chunk_fails_leaves_the_first_one_done(restore: Restore, tmp_path: Path, library: Path) -> None:
    restore()
    shutil.rmtree(tmp_path / "workspace" / "artifacts" / "decode")
    (library / "copy.mp4").write_text("25 one")
    restore(Simulation(faults={("decode", 0): "item"}))
    assert status(str(tmp_path / "workspace"))["videos"] == {"total": 4, "done": 3, "failed": 1, "left": 0}


def test_settings_that_were_taken_back_leave_all_done(restore: Restore, tmp_path: Path) -> None:
    restore()
    begin_anew(restore, "decode", chunk=0)
    assert restore(allow_changed=True).count("reused") == 3
    assert status(str(tmp_path / "workspace"))["videos"] == {"total": 3, "done": 3, "failed": 0, "left": 0}


def test_what_failed_with_other_settings_is_forgotten_with_them(restore: Restore, tmp_path: Path) -> None:
    restore(Simulation(faults={("decode", 2): "item"}))
    found = status(str(tmp_path / "workspace"))
    assert found["videos"] == {"total": 3, "done": 2, "failed": 1, "left": 0}
    other: dict[str, Any] = {"settings": {"split": 1}, "chunk_frames": 25}  # there is no chunk 2 any more
    assert restore(Simulation(**other), allow_changed=True).ok
    found = status(str(tmp_path / "workspace"))
    assert found["videos"] == {"total": 3, "done": 3, "failed": 0, "left": 0} and found["failures"] == []


def test_a_published_video_whose_source_could_not_be_read_for_a_while_is_done(
    restore: Restore, tmp_path: Path, library: Path
) -> None:
    restore()
    (library / "two.mp4").rename(tmp_path / "two.mp4")
    restore(inputs=[library, library / "two.mp4"])
    assert status(str(tmp_path / "workspace"))["videos"] == {"total": 3, "done": 2, "failed": 1, "left": 0}
    (tmp_path / "two.mp4").rename(library / "two.mp4")
    assert restore().ok
    found = status(str(tmp_path / "workspace"))
    assert found["videos"] == {"total": 3, "done": 3, "failed": 0, "left": 0} and found["failures"] == []


def test_what_failed_of_a_file_is_forgotten_when_a_better_one_has_taken_its_place(
    restore: Restore, tmp_path: Path, library: Path
) -> None:
    restore(Simulation(faults={("sample", 2): "item"}))
    workspace, tape = Storage(tmp_path / "workspace"), library / "a" / "one.mp4"
    assert list(failed(workspace)) == [str(tape)]
    tape.write_text("20 one")
    assert list(failed(workspace)) == [str(tape)], "nobody has tried the new one yet"
    assert restore().ok
    found = status(workspace)
    assert found["videos"] == {"total": 3, "done": 3, "failed": 0, "left": 0} and found["failures"] == []
    assert {stage: counts["failed"] for stage, counts in found["stages"].items()} == dict.fromkeys(STAGES, 0)
    assert found["stages"]["decode"]["done"] == found["stages"]["split"]["done"] == 2 + 2 + 1
    assert failed(workspace) == {}
    account = read_account(workspace)
    assert account.tally.failures == {} and [video.reasons for video in account.videos] == [[], [], []]


def test_a_file_that_was_put_in_place_of_another_is_left_until_it_is_published(
    restore: Restore, tmp_path: Path, library: Path
) -> None:
    (library / "copy.mp4").write_text("20 two")
    restore()
    (library / "two.mp4").write_text("15 other")
    stop = Stop()

    def progress(step: Step) -> None:
        if step.stage == "flow" and step.made:
            stop.ask()

    restore(stop=stop, progress=progress)
    workspace = tmp_path / "workspace"
    assert status(str(workspace))["videos"] == {"total": 4, "done": 3, "failed": 0, "left": 1}
    assert states(workspace) == {"a/one": "done", "copy": "done", "three": "done", "two": "left"}
    assert restore().ok
    assert status(str(workspace))["videos"] == {"total": 4, "done": 4, "failed": 0, "left": 0}


def test_a_copy_that_fails_is_named_and_tried_again_and_not_the_one_that_is_published(
    restore: Restore, tmp_path: Path, library: Path
) -> None:
    config = RunConfig(limits={"keep_artifacts": False})
    assert restore(config=config).ok
    (library / "zwei.mp4").write_text("20 two")
    report = restore(Simulation(faults={("sample", 1): "item"}), config=config)
    workspace, twin = Storage(tmp_path / "workspace"), str(library / "zwei.mp4")
    assert [each.source for each in report.failures] == [twin]
    assert status(workspace)["videos"] == {"total": 4, "done": 3, "failed": 1, "left": 0}
    assert [each["source"] for each in status(workspace)["failures"]] == [twin]
    assert list(failed(workspace)) == [twin]
    assert [video.source for video in read_account(workspace).videos if video.failures] == [twin]
