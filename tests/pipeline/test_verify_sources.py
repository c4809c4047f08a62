"""Results held against their sources where the settings have changed since, or the source cannot be read again."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cheap_stages import cheap_stages
from signed_server import SECRET, Signed, served
from whole_jobs import write_clip

from jobs.verify import verify as verify_command
from pipeline.config import load_config
from pipeline.report import RunReport
from pipeline.run import run
from pipeline.stopping import Stop
from pipeline.verify import Verdict, verify
from report.build import build_report


def restore(root: Path, *settings: str, inputs: Any = None, stop: Stop | None = None) -> RunReport:
    config = load_config(overrides=["split.chunk_frames=8", "split.overlap_frames=2", *settings])
    places = inputs or [root / "library"], root / "restored", root / "workspace"
    return run(config, *places, stages=cheap_stages(config), allow_changed=True, stop=stop)


def begin(root: Path, *settings: str, inputs: Any = None) -> None:
    """Begin a run with other settings that is stopped before it has done anything."""
    stop = Stop()
    stop.ask()
    assert restore(root, *settings, inputs=inputs, stop=stop).left


def verdicts(root: Path) -> list[Verdict]:
    return list(verify(root / "workspace"))


@pytest.mark.parametrize("how", ["assemble.provenance=true", "assemble.provenance=false"])
def test_a_result_is_held_against_its_source_as_it_was_read_for_it(tmp_path: Path, how: str) -> None:
    write_clip(tmp_path / "library" / "one.mkv", frames=20)
    assert restore(tmp_path, how).ok
    begin(tmp_path, how, "split.deinterlace=ivtc")  # it would have 16 frames
    assert [each.differences for each in verdicts(tmp_path)] == [()]
    shutil.rmtree(tmp_path / "workspace" / "artifacts" / "split")
    assert build_report(tmp_path / "workspace").problems == (), "the input's frames are those of the result"
    assert restore(tmp_path, how, "split.deinterlace=ivtc").ok
    assert [each.differences for each in verdicts(tmp_path)] == [()]


def test_a_result_that_another_source_has_replaced_is_not_said_to_differ(tmp_path: Path) -> None:
    first = write_clip(tmp_path / "library" / "one.mkv", frames=12)
    assert restore(tmp_path).ok
    first.unlink()
    second = write_clip(tmp_path / "library" / "one.mov", frames=9, codec="mpeg4")
    assert restore(tmp_path).ok
    found = {Path(each.source).name: each for each in verdicts(tmp_path)}
    assert found["one.mov"].differences == () and not found["one.mov"].unchecked
    assert found["one.mkv"].differences == ()
    assert found["one.mkv"].unchecked == f"its result was replaced by that of {second}, which has its name"
    with (tmp_path / "restored" / "one.mkv").open("ab") as file:
        file.write(b"x")
    assert [bool(each.differences) for each in verdicts(tmp_path)] == [False, True]


def test_settings_that_were_taken_back_count_again(tmp_path: Path) -> None:
    write_clip(tmp_path / "library" / "one.mkv", frames=20)
    assert restore(tmp_path).ok
    with pytest.raises(Exception, match="stage assemble cannot start"):  # split is through by then
        _with_broken_assemble(tmp_path, "split.deinterlace=ivtc")
    assert restore(tmp_path).count("reused") == 1
    begin(tmp_path, "split.deinterlace=ivtc")
    assert [each.differences for each in verdicts(tmp_path)] == [()]


def _with_broken_assemble(root: Path, setting: str) -> None:
    class Broken:
        def __init__(self, stage: Any) -> None:
            self._stage = stage

        def __getattr__(self, name: str) -> Any:
            return getattr(self._stage, name)

        def setup(self) -> None:
            raise RuntimeError("broken")

    config = load_config(overrides=["split.chunk_frames=8", "split.overlap_frames=2", setting])
    stages = dict(cheap_stages(config))
    usual = stages["assemble"]
    stages["assemble"] = lambda: Broken(usual())  # type: ignore[assignment, return-value]
    run(config, [root / "library"], root / "restored", root / "workspace", stages=stages, allow_changed=True)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The address of a clip."""
    write_clip(tmp_path / "served" / "tape.mkv", frames=9)
    with served(tmp_path / "served") as address:
        yield f"{address}/tape.mkv"


def test_a_source_whose_address_carried_credentials_is_not_said_to_differ(
    tmp_path: Path, server: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert restore(tmp_path, inputs=[f"{server}?X-Amz-Signature={SECRET}"]).ok
    (verdict,) = verdicts(tmp_path)
    assert verdict.differences == ()
    assert verdict.unchecked.startswith(
        "not checked against its source, whose address carried credentials that are not kept (the source cannot be read"
    )
    assert verify_command(str(tmp_path / "workspace")) == 0
    said = capsys.readouterr().err.splitlines()
    assert said[0] == f"{verdict.video}: {verdict.unchecked}"
    assert said[-1] == "0 videos verified: 0 whole, 0 not; 1 not checked, or not all of it"
    shutil.rmtree(tmp_path / "workspace" / "artifacts" / "split")
    ((_, problem),) = build_report(tmp_path / "workspace").problems
    assert problem == (
        f"{server}: its address carried credentials that are not kept, so its frames cannot be read again; no pictures"
    )


def test_where_the_environment_lets_it_be_read_it_is_checked(
    tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert restore(tmp_path, inputs=[f"{server}?X-Amz-Signature={SECRET}"]).ok
    monkeypatch.setattr(Signed, "asked", "")
    assert [(each.differences, each.unchecked) for each in verdicts(tmp_path)] == [((), "")]


def test_a_source_without_credentials_that_cannot_be_read_is_a_difference(
    tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Signed, "asked", "")
    assert restore(tmp_path, inputs=[server]).ok
    monkeypatch.setattr(Signed, "asked", SECRET)
    ((difference,),) = (each.differences for each in verdicts(tmp_path))
    assert difference.startswith("the source cannot be read: ")


def test_a_result_is_not_held_against_a_file_that_a_later_run_has_seen_in_the_place_of_its_source(
    tmp_path: Path,
) -> None:
    source = write_clip(tmp_path / "library" / "one.mkv", frames=20)
    assert restore(tmp_path).ok
    write_clip(source, frames=20, seed=9)
    with pytest.raises(Exception, match="stage assemble cannot start"):
        _with_broken_assemble(tmp_path, "split.deinterlace=auto")
    assert [each.differences for each in verdicts(tmp_path)] == [("the source is not the file that was restored",)]
