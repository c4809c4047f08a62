"""Scratch folders of an older driver's workers: swept by the newer one, whatever their workers are about."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from whole_jobs import tree

from benchmarks.simulated_stages import Simulation
from pipeline.report import RunReport
from pipeline.workspace import Workspace


@dataclass(frozen=True)
class TakenOver(Simulation):
    """A simulation whose folder is swept, once, when decode has written its last file."""

    workspace: Path = Path()

    def write_more(self, stage: str, folder: Path) -> None:
        """Write the artifact's files but the first."""
        super().write_more(stage, folder)
        once = self.workspace.parent / "swept"
        if stage == "decode" and not once.exists():
            once.touch()
            Workspace(self.workspace).sweep(2)


def test_a_worker_whose_folder_was_swept_commits_nothing(restore: Callable[..., RunReport], tmp_path: Path) -> None:
    restore(output=tmp_path / "expected", workspace=tmp_path / "straight")
    report = restore(TakenOver(workspace=tmp_path / "workspace"))
    assert report.ok and report.stages["decode"] == {"done": 6, "retried": 1}
    assert tree(tmp_path / "restored") == tree(tmp_path / "expected")


def test_a_folder_goes_in_one_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else its worker, which goes on, would commit what it wrote after the first files were removed."""
    place = Workspace(tmp_path)
    rmtree = shutil.rmtree

    def midway(path: Any, **options: Any) -> None:
        assert not (folder / "head.mkv").exists()
        with pytest.raises(FileNotFoundError):
            (folder / "tail.mkv").write_text("x")
        rmtree(path, **options)

    with place.scratch(1) as folder:
        (folder / "head.mkv").write_text("x")
        with monkeypatch.context() as patch:
            patch.setattr("pipeline.workspace.shutil.rmtree", midway)
            place.sweep(2)
    assert not list((tmp_path / "scratch").iterdir())


def test_what_a_sweep_left_behind_is_swept_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Workspace(tmp_path)
    for epoch in (1, 2):
        place.scratch_folder(epoch).mkdir(parents=True)
    with monkeypatch.context() as patch:
        patch.setattr("pipeline.workspace.shutil.rmtree", lambda *_, **__: None)
        place.sweep(2)
    assert len(list((tmp_path / "scratch").iterdir())) == 2
    place.sweep(2)
    (left,) = (tmp_path / "scratch").iterdir()
    assert left.name.split("-")[2] == "2"
