"""A workspace that was given several lines, one after the other: the videos of all of them are its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import yaml

from benchmarks.simulated_stages import Simulation
from pipeline.again import told
from pipeline.published import newest
from pipeline.report import RunReport
from pipeline.run import run
from pipeline.storage import Storage
from pipeline.verify import verify

Restore = Callable[..., RunReport]


def again(place: Path, number: int) -> dict[str, str]:
    """Reprocess the workspace as the command does; what became of each video."""
    new = told(str(place))
    stages = Simulation(settings={"decode": number}).factories()
    report = run(new.config, new.inputs, new.output, place, stages=stages, allow_changed=True)
    assert report.left == 0
    return {Path(source).name: state for source, state in report.videos.items()}


def test_the_videos_of_earlier_lines_are_reprocessed_with_the_others(
    restore: Restore, tmp_path: Path, library: Path
) -> None:
    restore(inputs=[library / "a"])
    restore(inputs=[library / "two.mp4", library / "three.mov"])
    restore(inputs=[library / "three.mov"])
    inputs = yaml.safe_load((tmp_path / "workspace" / "run.yaml").read_text())["inputs"]
    assert inputs == [str(library / name) for name in ("three.mov", "two.mp4", "a")]
    assert again(tmp_path / "workspace", 1) == {"one.mp4": "done", "two.mp4": "done", "three.mov": "done"}
    assert told(str(tmp_path / "workspace")).inputs == inputs


def test_lines_may_overlap(restore: Restore, tmp_path: Path, library: Path) -> None:
    restore(inputs=[library / "a"])
    restore(inputs=[library])
    assert again(tmp_path / "workspace", 1) == {"one.mp4": "done", "two.mp4": "done", "three.mov": "done"}
    restored = {path.relative_to(tmp_path / "restored").as_posix() for path in (tmp_path / "restored").rglob("*.mkv")}
    assert restored == {"one.mkv", "a/one.mkv", "two.mkv", "three.mkv"}


def test_inputs_that_are_gone_are_not_asked_for_for_ever(restore: Restore, tmp_path: Path, library: Path) -> None:
    restore(inputs=[library / "a"])
    (library / "a").rename(library / "b")
    report = restore(inputs=[library / "b"])
    assert report.count("reused") == 1
    assert told(str(tmp_path / "workspace")).inputs == [str(library / "b")]


def test_each_video_is_looked_for_where_it_was_published(restore: Restore, tmp_path: Path, library: Path) -> None:
    restore(inputs=[library / "a"])
    restore(inputs=[library / "two.mp4"], output=tmp_path / "other")
    storage = Storage(tmp_path / "workspace")
    outputs = {Path(source).name: each.output for source, each in newest(storage).items()}
    assert outputs == {"one.mp4": str(tmp_path / "restored"), "two.mp4": str(tmp_path / "other")}
    assert told(storage.url).inputs == [str(library / "two.mp4")]
    missing = [each for verdict in verify(storage.url) for each in verdict.differences if "missing" in each]
    assert missing == []
    # Who moves an output and goes on in the new place is believed.
    (tmp_path / "restored").rename(tmp_path / "moved")
    restore(inputs=[library / "a"], output=tmp_path / "moved")
    assert newest(storage)[str(library / "a" / "one.mp4")].output == str(tmp_path / "moved")
