from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.simulated_stages import Simulation
from pipeline.again import failed, is_named
from pipeline.outlook import Outlook, outlook
from pipeline.recorded import remember
from pipeline.report import RunReport
from pipeline.run import make_recipe
from pipeline.sources import expand
from pipeline.storage import Storage

Restore = Callable[..., RunReport]


def look(tmp_path: Path, library: Path, **settings: int) -> Outlook:
    storage = Storage(tmp_path / "workspace")
    sources = expand([library], tmp_path / "restored", tmp_path / "workspace")
    recipe = make_recipe(Simulation(settings=settings).factories())
    return outlook(storage, recipe, remember(storage, sources), str(tmp_path / "restored"))


@pytest.mark.parametrize("stage", ["flow", "sample", "decode", "assemble"])
def test_what_is_announced_is_what_is_made(restore: Restore, tmp_path: Path, library: Path, stage: str) -> None:
    restore(Simulation(faults={("decode", 2): "item"}))
    ahead = look(tmp_path, library, **{stage: 1})
    report = restore(Simulation(settings={stage: 1}))
    made = {name: report.stages[name].get("done", 0) for name in ("flow", "sample", "decode", "assemble")}
    assert {name: ahead.make[name] for name in made} == made
    assert {name: ahead.reuse[name] for name in made} == {name: report.stages[name].get("reused", 0) for name in made}
    assert ahead.chunk_stages() == sum(made.values()) - made["assemble"] and not ahead.unknown


def test_what_is_published_as_asked_is_left_alone(restore: Restore, tmp_path: Path, library: Path) -> None:
    restore()
    ahead = look(tmp_path, library)
    assert len(ahead.finished) == 3 and ahead.make.total() == 0


def test_settings_that_are_taken_back_publish_anew(restore: Restore, tmp_path: Path, library: Path) -> None:
    restore()
    restore(Simulation(settings={"decode": 1}))
    ahead = look(tmp_path, library)
    assert not ahead.finished and ahead.make == Counter(assemble=3) and ahead.reuse["decode"] == 6
    report = restore()
    assert report.stages["assemble"] == {"done": 3, "damaged": 3} and "done" not in report.stages["decode"]
    assert len(look(tmp_path, library).finished) == 3


def test_chunks_are_not_known_before_the_video_is_split(restore: Restore, tmp_path: Path, library: Path) -> None:
    restore()
    (library / "new.mp4").write_text("5 new")
    assert [Path(name).name for name in look(tmp_path, library).unknown] == ["new.mp4"]
    assert len(look(tmp_path, library, split=1).unknown) == 4


def test_failures_are_chosen_by_video_and_stage(restore: Restore, tmp_path: Path, library: Path) -> None:
    (library / "bad.mp4").write_text("not a video")
    restore(Simulation(faults={("decode", 2): "item"}))
    storage = Storage(tmp_path / "workspace")
    assert {Path(name).name for name in failed(storage)} == {"bad.mp4", "one.mp4"}
    assert {Path(name).name for name in failed(storage, stage="decode")} == {"one.mp4"}
    assert {Path(name).name for name in failed(storage, video="a/one")} == {"one.mp4"}
    assert not failed(storage, video="two.mp4") and not failed(storage, video="bad.mp4", stage="decode")


def test_a_video_is_named_by_the_end_of_its_path() -> None:
    source = "s3://bucket/tapes/a/one.mp4"
    assert all(is_named(source, name) for name in (source, "one.mp4", "one", "a/one", "/a/one.mp4"))
    assert not any(is_named(source, name) for name in ("ne.mp4", "b/one", "one.mkv", "a"))


def test_a_video_that_was_published_and_is_not_given_any_more_is_named(
    restore: Restore, tmp_path: Path, library: Path
) -> None:
    restore()
    (library / "two.mp4").rename(library / "moved.mp4")
    ahead = look(tmp_path, library)
    assert [Path(name).name for name in ahead.overlooked] == ["two.mp4"] and len(ahead.finished) == 2
