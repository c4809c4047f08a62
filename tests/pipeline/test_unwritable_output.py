"""A path of the output that cannot be written fails the video it is of; an output that cannot, the run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from unprivileged import unprivileged
from whole_jobs import tree

from benchmarks.simulated_stages import Simulation
from pipeline.report import RunReport
from pipeline.storage import StorageError

Restore = Callable[..., RunReport]
DENIED = "permission denied; give this user access to it"


@pytest.fixture(autouse=True)
def _no_privileges(tmp_path: Path) -> Iterator[None]:
    with unprivileged():
        yield
    for path in [tmp_path / "restored", *(tmp_path / "restored").rglob("*")]:
        path.chmod(0o755)


def states(report: RunReport) -> dict[str, str]:
    return {Path(source).name: state for source, state in report.videos.items()}


def test_a_folder_that_cannot_be_written_fails_its_video_alone(restore: Restore, tmp_path: Path, library: Path) -> None:
    folder = tmp_path / "restored" / "a"
    folder.mkdir(parents=True)
    folder.chmod(0o555)
    report = restore()
    assert states(report) == {"one.mp4": "failed", "two.mp4": "done", "three.mov": "done"}
    (failure,) = report.failures
    assert failure.source == str(library / "a" / "one.mp4") and failure.attempts == 1 and failure.stage == "assemble"
    assert failure.message == f"{folder}/one.json: {DENIED}"
    folder.chmod(0o755)
    again = restore()
    assert again.ok and again.stages["decode"] == {"reused": 3}


def test_a_result_that_cannot_be_read_fails_its_video_before_it_is_made_again(restore: Restore, tmp_path: Path) -> None:
    restore()
    (tmp_path / "restored" / "two.mkv").chmod(0)
    report = restore()
    assert states(report) == {"one.mp4": "reused", "two.mp4": "failed", "three.mov": "reused"}
    (failure,) = report.failures
    assert failure.message == f"{tmp_path}/restored/two.mkv: {DENIED}" and report.computed() == 0
    (tmp_path / "restored" / "two.mkv").chmod(0o644)
    assert set(states(restore()).values()) == {"reused"}


def test_what_cannot_be_replaced_stays_as_it_was(restore: Restore, tmp_path: Path) -> None:
    restore()
    before = tree(tmp_path / "restored" / "a")
    (tmp_path / "restored" / "a").chmod(0o555)
    report = restore(Simulation(settings={"decode": 1}), allow_changed=True)
    assert states(report) == {"one.mp4": "failed", "two.mp4": "done", "three.mov": "done"}
    assert tree(tmp_path / "restored" / "a") == before


def test_an_output_that_cannot_be_written_any_more_ends_the_run(restore: Restore, tmp_path: Path) -> None:
    restore()
    output = tmp_path / "restored"

    def locked(_: object) -> None:
        output.chmod(0o555)

    with pytest.raises(StorageError, match=DENIED):
        restore(Simulation(settings={"decode": 1}), allow_changed=True, progress=locked)
