"""``retry`` and ``reprocess`` of one workspace, through the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from whole_jobs import ROOT, Line, check_restored, committed, environment, events, status, tree, write_clip

from jobs.invocation import run_function
from jobs.options import ExecutorName
from jobs.retry import retry
from pipeline.stopping import Stop

pytestmark = pytest.mark.slow


def reelift(*words: str | Path) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", f"jobs.{words[0]}", *map(str, words[1:])]
    return subprocess.run(line, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=240, check=False)


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory, model: Path) -> Line:
    """A library of one good clip, one that is no video, and one that comes to be later; run once."""
    root = tmp_path_factory.mktemp("again")
    write_clip(root / "library" / "good.mkv", frames=14)
    (root / "library" / "late").mkdir()
    (root / "library" / "late" / "bad.mkv").write_text("a copy that is not complete")
    (root / "library" / "worse.mkv").write_text("another one")
    line = Line([root / "library"], root / "restored", root / "workspace", model)
    done = line.run()
    assert done.returncode == 2
    said = f"to try again what failed, and nothing else: reelift retry {line.workspace} --executor local"
    assert said in done.stderr.splitlines()
    return line


def test_what_failed_is_retried_and_nothing_else(line: Line) -> None:
    workspace, library = Path(line.workspace), Path(line.inputs[0])
    before = committed(workspace)
    write_clip(library / "late" / "bad.mkv", frames=6, seed=3)
    write_clip(library / "new.mkv", frames=6, seed=4)
    done = reelift("retry", workspace, "--video", "late/bad.mkv", "--executor", "local", "--json")
    assert done.returncode == 0, done.stderr
    assert "to retry: 1 failed item of 1 video" in done.stderr
    assert {Path(name).name: state for name, state in json.loads(done.stdout)["videos"].items()} == {"bad.mkv": "done"}
    check_restored(library / "late" / "bad.mkv", Path(line.output) / "late" / "bad.mkv")
    after = committed(workspace)
    assert {name: after[name] for name in before} == before
    assert status(workspace)["videos"] == {"total": 3, "done": 2, "failed": 1, "left": 0}
    again = reelift("retry", workspace, "--failed", "--executor", "local")
    assert again.returncode == 2 and "to retry: 1 failed item of 1 video" in again.stderr
    (library / "worse.mkv").unlink()
    gone = reelift("retry", workspace, "--executor", "local")
    assert gone.returncode == 2 and "worse.mkv: failed before, and is not among the inputs any more" in gone.stderr


def test_a_retry_that_is_stopped_accuses_no_video_that_is_left(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    library = tmp_path / "library"
    library.mkdir()
    for name in ("a.mkv", "b.mkv", "c.mkv"):
        (library / name).write_text("no video")
    line = Line([library], tmp_path / "restored", tmp_path / "workspace", model)
    assert line.run().returncode == 2
    (library / "c.mkv").unlink()

    @contextmanager
    def asked(stop: Stop) -> Iterator[None]:
        stop.ask()
        yield

    monkeypatch.setattr("jobs.running.patient", asked)
    monkeypatch.setattr("sys.argv", ["retry"])
    with pytest.raises(SystemExit) as ended:
        run_function(lambda: retry(str(tmp_path / "workspace"), executor=ExecutorName.local), "retry")
    said = capsys.readouterr().err
    assert ended.value.code == 130 and "2 left" in said
    accused = [line for line in said.splitlines() if "is not among the inputs any more" in line]
    assert len(accused) == 1 and "c.mkv: failed before" in accused[0]


def test_nothing_to_retry_is_no_failure(line: Line) -> None:
    words = ("retry", line.workspace, "--video", "good.mkv", "--stage", "split", "--executor", "local")
    done = reelift(*words, "--json")
    assert done.returncode == 0 and done.stderr.splitlines() == ["to retry: 0 failed items of 0 videos"]
    told = json.loads(done.stdout)
    assert told["workspace"] == str(line.workspace) and told["output"] == str(line.output)
    assert told["videos"] == told["stages"] == {} and told["failures"] == [] and told["left"] == 0


def test_a_video_that_is_not_of_this_run_cannot_be_retried(line: Line) -> None:
    done = reelift("retry", line.workspace, "--video", "godo.mkv", "--executor", "local")
    assert done.returncode == 1
    assert "error: no video of this run is called godo.mkv; name one as 'reelift status' does" in done.stderr


def test_a_folder_that_is_no_workspace_is_refused(tmp_path: Path) -> None:
    for command in ("retry", "reprocess"):
        done = reelift(command, tmp_path)
        assert done.returncode == 1
        assert done.stderr.splitlines() == [
            f"error: {tmp_path}: no workspace is there; give the folder that restore was given"
        ]


def test_reprocess_says_what_it_will_make_and_makes_just_that(tmp_path: Path, model: Path) -> None:
    write_clip(tmp_path / "library" / "one.mkv", frames=14)
    write_clip(tmp_path / "library" / "two.mkv", frames=6, seed=2)
    line = Line([tmp_path / "library"], tmp_path / "restored", tmp_path / "workspace", model)
    assert line.run().returncode == 0
    workspace, before = Path(line.workspace), tree(Path(line.output))
    of_stage = Counter(name.split("/")[1] for name in committed(workspace))
    chunks = of_stage["decode"]
    settings = ["--set", "decode.colour_fix=none", "--executor", "local"]
    announced = f"to run: {chunks} chunk-stages (decode {chunks}); {3 * chunks} reused; 2 videos to assemble"
    asked = reelift("reprocess", workspace, *settings, "--dry-run", "--json")
    assert asked.returncode == 0 and asked.stderr.splitlines() == [announced]
    assert json.loads(asked.stdout) == {
        "make": {"split": 0, "flow": 0, "sample": 0, "decode": chunks, "assemble": 2},
        "reuse": {"split": chunks, "flow": chunks, "sample": chunks, "decode": 0, "assemble": 0},
        "unknown": [],
        "finished": [],
        "overlooked": [],
    }
    assert tree(Path(line.output)) == before
    done = reelift("reprocess", workspace, *settings, "--json")
    assert done.returncode == 0 and announced in done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    assert report["stages"]["decode"] == {"done": chunks} and report["stages"]["assemble"] == {"done": 2}
    assert report["stages"]["flow"] == report["stages"]["sample"] == {"reused": chunks}
    after = tree(Path(line.output))
    assert after.keys() == before.keys() and all(after[name] != before[name] for name in after if name[-1] == "v")
    fresh = replace(line, workspace=tmp_path / "w2", output=tmp_path / "o2", settings={"decode.colour_fix": "none"})
    assert fresh.run().returncode == 0
    framemd5 = {name: data for name, data in after.items() if name.endswith(".framemd5")}
    assert framemd5 == {name: data for name, data in tree(tmp_path / "o2").items() if name.endswith(".framemd5")}
    wrong = reelift("reprocess", workspace, "--set", "split.chunk_frames=7", "--set", "seed=x", "--dry-run")
    assert wrong.returncode == 1 and "seed" in wrong.stderr
    assert {event["outcome"] for event in events(workspace)} == {"done", "reused"}
