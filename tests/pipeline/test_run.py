from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from whole_jobs import tree

from benchmarks.simulated_stages import Simulation
from pipeline.config import RunConfig
from pipeline.report import RunReport
from pipeline.sources import InputError
from pipeline.status import status
from pipeline.storage import Storage, StorageError
from pipeline.workspace import ChangedError, Workspace
from pipeline.wrapper import SetupError

Restore = Callable[..., RunReport]


def runs(tmp_path: Path) -> Counter[str]:
    return Counter((tmp_path / "journal").read_text().splitlines())


def test_a_library_is_mirrored_into_the_output(restore: Restore, tmp_path: Path, library: Path) -> None:
    before = tree(library)
    report = restore()
    assert report.ok and report.count("done") == 3
    names = {"a/one.mkv", "a/one.json", "two.mkv", "two.json", "three.mkv", "three.json"}
    assert set(tree(tmp_path / "restored")) == names
    assert report.stages["flow"] == {"done": 6} and report.stages["split"] == {"done": 6 + 3}
    assert tree(library) == before
    assert not list((tmp_path / "workspace" / "scratch").iterdir())
    assert not list((tmp_path / "workspace").rglob("*.partial"))
    assert not (tmp_path / "workspace" / "attempts" / "1").exists()


def test_the_same_line_again_does_nothing_twice(restore: Restore, tmp_path: Path) -> None:
    restore()
    before, counted = tree(tmp_path / "restored"), runs(tmp_path)
    report = restore()
    assert report.count("reused") == 3 and report.computed() == 0
    assert "3 already done" in report.summary() and "0 artifacts made" in report.summary()
    assert tree(tmp_path / "restored") == before
    assert runs(tmp_path) == counted


def test_artifacts_of_published_videos_are_removed_if_asked(restore: Restore, tmp_path: Path) -> None:
    config = RunConfig.model_validate({"limits": {"keep_artifacts": False}})
    assert restore(config=config).count("done") == 3
    before = tree(tmp_path / "restored")
    kept = {path.relative_to(tmp_path / "workspace").parts[1] for path in artifact_records(tmp_path)}
    assert kept == {"assemble"}
    again = restore(config=config)
    assert again.count("reused") == 3 and again.computed() == 0
    assert tree(tmp_path / "restored") == before


def test_the_next_run_removes_what_an_earlier_one_kept(restore: Restore, tmp_path: Path) -> None:
    restore()
    assert len(artifact_records(tmp_path)) > 3
    report = restore(config=RunConfig.model_validate({"limits": {"keep_artifacts": False}}))
    assert report.computed() == 0
    assert len(artifact_records(tmp_path)) == 3


def test_what_other_settings_have_left_goes_with_the_rest(restore: Restore, tmp_path: Path, library: Path) -> None:
    lean = RunConfig.model_validate({"limits": {"keep_artifacts": False}})
    (library / "two.mp4").write_text("20 old")
    restore(Simulation(settings={"split": 1}, faults={("decode", 2): "item"}))
    restore(Simulation(settings={"decode": 1}), allow_changed=True)
    (library / "two.mp4").write_text("20 two")
    restore(Simulation(faults={("decode", 2): "item"}), config=lean, allow_changed=True)
    left = {path.relative_to(tmp_path / "workspace").parts[1] for path in artifact_records(tmp_path)}
    assert left == {"split", "flow", "sample", "decode", "assemble"}, "the one that failed may be taken up again"
    assert restore(config=lean).ok
    left = {path.relative_to(tmp_path / "workspace").parts[1] for path in artifact_records(tmp_path)}
    assert left == {"assemble"}


def test_a_damaged_manifest_ends_no_run_that_prunes(restore: Restore, tmp_path: Path) -> None:
    restore(Simulation(settings={"decode": 1}))
    next((tmp_path / "workspace" / "manifest" / "events").iterdir()).write_bytes(b"")
    assert restore(config=RunConfig.model_validate({"limits": {"keep_artifacts": False}}), allow_changed=True).ok


def artifact_records(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "workspace" / "artifacts").rglob("artifact.json"))


def test_a_failed_video_keeps_its_artifacts(restore: Restore, tmp_path: Path) -> None:
    config = RunConfig.model_validate({"limits": {"keep_artifacts": False}})
    restore(Simulation(faults={("decode", 1): "item"}), config=config)
    assert any("/sample/" in str(path) for path in artifact_records(tmp_path))


def test_changing_a_late_setting_reuses_the_early_stages(restore: Restore, tmp_path: Path) -> None:
    restore()
    journal = tmp_path / "journal"
    journal.unlink()
    report = restore(Simulation(journal=journal, settings={"decode": 1}))
    assert {line.split()[0] for line in journal.read_text().splitlines()} == {"decode", "assemble"}
    assert report.stages["sample"] == {"reused": 6} and report.stages["decode"] == {"done": 6}
    folded = status(str(tmp_path / "workspace"))
    assert folded["stages"]["decode"]["done"] == 6 and folded["videos"]["done"] == 3


def test_an_output_that_was_lost_is_assembled_again_and_nothing_else(restore: Restore, tmp_path: Path) -> None:
    restore()
    before = tree(tmp_path / "restored")
    (tmp_path / "restored" / "two.mkv").write_text("rotten")
    (tmp_path / "journal").unlink()
    report = restore()
    assert report.stages["assemble"] == {"damaged": 1, "done": 1, "reused": 2}
    assert [line.split()[0] for line in runs(tmp_path)] == ["assemble"]
    assert tree(tmp_path / "restored") == before


def test_a_damaged_artifact_is_found_reported_and_computed_again(restore: Restore, tmp_path: Path) -> None:
    restore()
    before = tree(tmp_path / "restored")
    sample = sorted((tmp_path / "workspace" / "artifacts" / "sample").rglob("sample.bin"))[0]
    sample.write_bytes(bytes(reversed(sample.read_bytes())))
    (tmp_path / "restored" / "two.mkv").unlink()
    (tmp_path / "restored" / "three.mkv").unlink()
    (tmp_path / "restored" / "a" / "one.mkv").unlink()
    (tmp_path / "journal").unlink()
    report = restore()
    assert report.ok and report.stages["sample"] == {"damaged": 1, "done": 1, "reused": 5}
    assert Counter(line.split()[0] for line in runs(tmp_path)) == {"sample": 1, "assemble": 3}
    assert tree(tmp_path / "restored") == before


def test_a_damaged_split_chunk_is_cut_again_alone(restore: Restore, tmp_path: Path) -> None:
    restore()
    before = tree(tmp_path / "workspace" / "artifacts" / "split")
    frames = sorted((tmp_path / "workspace" / "artifacts" / "split").rglob("frames.mkv"))[0]
    frames.unlink()
    for path in (tmp_path / "restored").rglob("*.mkv"):
        path.unlink()
    report = restore()
    assert report.ok and report.stages["split"]["done"] == 2 and report.stages["split"]["damaged"] == 1
    assert tree(tmp_path / "workspace" / "artifacts" / "split") == before


@pytest.mark.parametrize("stage", ["split", "flow", "sample", "decode"])
def test_a_bad_chunk_stops_only_its_own_video(restore: Restore, tmp_path: Path, stage: str) -> None:
    simulation = Simulation(journal=tmp_path / "journal", faults={(stage, 2): "item"})
    report = restore(simulation)
    assert sorted(report.videos.values()) == ["done", "done", "failed"]
    (failure,) = report.failures
    assert failure.stage == stage and failure.outcome == "failed" and failure.attempts == 1
    assert failure.error_class == "ItemError" and "Traceback" in failure.traceback
    assert [count for line, count in runs(tmp_path).items() if line.startswith(f"{stage} 2 ")] == [1]
    folded = status(str(tmp_path / "workspace"))
    assert folded["videos"] == {"total": 3, "done": 2, "failed": 1, "left": 0}
    json.dumps(folded)


def test_a_failed_chunk_is_told_with_the_name_of_its_video(restore: Restore, tmp_path: Path, library: Path) -> None:
    report = restore(Simulation(faults={("decode", 2): "item"}))
    assert [(each.source, each.chunk) for each in report.failures] == [(str(library / "a" / "one.mp4"), 2)]
    (failure,) = status(tmp_path / "workspace")["failures"]
    assert failure["source"] == str(library / "a" / "one.mp4")


def test_other_errors_are_tried_again_up_to_the_limit(restore: Restore, tmp_path: Path) -> None:
    simulation = Simulation(journal=tmp_path / "journal", faults={("sample", 1): "raise"})
    report = restore(simulation, config=RunConfig(limits={"attempts": 2}))
    assert report.stages["sample"] == {"done": 4, "retried": 2, "gave_up": 2}
    assert {failure.attempts for failure in report.failures} == {2}
    again = restore(Simulation(journal=tmp_path / "journal"), config=RunConfig(limits={"attempts": 2}))
    assert again.ok and again.stages["sample"] == {"done": 2, "reused": 3}
    assert not status(str(tmp_path / "workspace"))["failures"]


@pytest.mark.parametrize("stage", ["split", "flow", "assemble"])
def test_an_error_that_passes_costs_one_attempt(restore: Restore, tmp_path: Path, stage: str) -> None:
    chunk = -1 if stage == "assemble" else 1
    report = restore(Simulation(journal=tmp_path / "journal", faults={(stage, chunk): "once"}))
    assert report.ok and report.stages[stage]["retried"] >= 2


def test_a_missing_file_and_a_file_that_is_no_video_are_failed_rows(
    restore: Restore, tmp_path: Path, library: Path
) -> None:
    (library / "bad.mp4").write_text("not a video")
    (library / "empty.mp4").touch()
    report = restore(inputs=[library, tmp_path / "gone.mp4"])
    assert report.count("done") == 3 and report.count("failed") == 3
    messages = {Path(failure.source).name: failure.message for failure in report.failures}
    assert "no such file" in messages["gone.mp4"] and "empty" in messages["empty.mp4"]
    assert status(str(tmp_path / "workspace"))["videos"] == {"total": 6, "done": 3, "failed": 3, "left": 0}


def test_a_file_of_somebody_else_is_not_overwritten(restore: Restore, tmp_path: Path) -> None:
    (tmp_path / "restored").mkdir()
    (tmp_path / "restored" / "two.mkv").write_text("mine")
    report = restore()
    assert report.count("failed") == 1 and "was not made by this workspace" in report.failures[0].message
    assert (tmp_path / "restored" / "two.mkv").read_text() == "mine"


def test_other_settings_need_another_workspace_or_permission(restore: Restore, tmp_path: Path) -> None:
    restore()
    with pytest.raises(ChangedError, match="seed was 42 and is now 7; use another workspace, or reprocess"):
        restore(config=RunConfig(seed=7))
    restore(config=RunConfig(limits={"attempts": 9}))
    assert restore(config=RunConfig(seed=7), allow_changed=True).ok
    assert restore(config=RunConfig(seed=7)).ok


def test_a_stage_that_cannot_start_ends_the_run_in_one_line(restore: Restore) -> None:
    with pytest.raises(SetupError, match="stage sample cannot start: no weights in models/") as caught:
        restore(Simulation(faults={("sample", -1): "setup"}))
    assert "\n" not in str(caught.value)
    assert restore().ok


def test_a_full_disk_ends_the_run_in_one_line_and_the_next_goes_on(
    restore: Restore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Storage, operation: str, name: str) -> None:
        if "artifacts/decode" in name:
            raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Storage, "boundary", full)
        with pytest.raises(StorageError, match="the disk is full; free some space") as caught:
            restore()
    assert "\n" not in str(caught.value)
    report = restore()
    assert report.ok and report.stages["sample"] == {"reused": 1, "done": 5}


def test_the_record_of_a_run_names_its_places_from_anywhere(
    restore: Restore, library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(library.parent)
    restore(inputs=[library.name], config=RunConfig(model=Path("my-model")))
    recorded = Workspace(tmp_path / "workspace").settings()
    assert recorded["inputs"] == [str(library)] and recorded["model"] == str(library.parent / "my-model")
    place = tmp_path / "workspace" / "run.yaml"
    place.write_text(place.read_text().replace(str(library.parent / "my-model"), "my-model"))
    assert restore(config=RunConfig(model=Path("my-model"))).count("reused") == 3, "as it was recorded before"


def test_progress_reaches_the_total_in_every_stage(restore: Restore) -> None:
    seen: dict[str, tuple[int, int]] = {}
    restore(
        Simulation(faults={("flow", 2): "item"}),
        progress=lambda step: seen.update({step.stage: (step.done, step.total)}),
    )
    assert seen == {"split": (3, 3), "flow": (6, 6), "sample": (5, 5), "decode": (5, 5), "assemble": (3, 3)}


def test_output_and_inputs_are_kept_apart(restore: Restore, library: Path, tmp_path: Path) -> None:
    for output in (library, library / "restored"):
        with pytest.raises(InputError, match="inside the input"):
            restore(output=output)
    with pytest.raises(InputError, match="workspace"):
        restore(workspace=library / "work")


def test_object_storage(restore: Restore, library: Path, tmp_path: Path) -> None:
    report = restore(workspace="memory://bucket/work", output="memory://bucket/restored")
    assert report.ok
    restore()
    expected = tree(tmp_path / "restored")
    restored = Storage("memory://bucket/restored")
    assert {name: restored.read(name) for name in expected} == expected
    again: Any = restore(workspace="memory://bucket/work", output="memory://bucket/restored")
    assert again.count("reused") == 3
