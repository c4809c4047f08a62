"""A library through the command line, and the same line again."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from whole_jobs import Line, check_restored, published, restored, status, tree, write_clip

pytestmark = pytest.mark.slow
NTSC = Fraction(30000, 1001)


@dataclass(frozen=True)
class Job:
    """A library that was restored, and the same line run again."""

    library: Path
    line: Line
    sources: dict[str, bytes]
    first: subprocess.CompletedProcess[str]
    again: subprocess.CompletedProcess[str]
    between: dict[str, Any]

    @property
    def output(self) -> Path:
        return Path(self.line.output)


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory, model: Path) -> Job:
    root = tmp_path_factory.mktemp("library job")
    library = root / "library"
    write_clip(library / "cut.mkv", frames=20, cut=12, audio="flac")
    write_clip(library / "reels" / "1987" / "tape 3.mp4", frames=9, codec="libx264", rate=NTSC, audio="aac")
    (library / "notes.txt").write_text("not a video, and not asked for")
    sources = tree(library)
    line = Line([library], root / "restored", root / "workspace", model, more=["--json"])
    first = line.run()
    between = status(root / "workspace")
    return Job(library, line, sources, first, line.run(), between)


def test_all_is_restored_and_the_exit_code_is_0(job: Job) -> None:
    assert job.first.returncode == 0, job.first.stderr
    assert job.first.stderr.splitlines()[-1].startswith("2 videos: 2 restored (")


def test_the_output_mirrors_the_library(job: Job) -> None:
    names = ["cut", "reels/1987/tape 3"]
    assert sorted(restored(job.output)) == sorted(f"{name}.{kind}" for name in names for kind in ("mkv", "framemd5"))
    assert tree(job.library) == job.sources


@pytest.mark.parametrize("name", ["cut.mkv", "reels/1987/tape 3.mp4"])
def test_frames_times_audio_and_checksums_are_what_they_must_be(job: Job, name: str) -> None:
    check_restored(job.library / name, (job.output / name).with_suffix(".mkv"))


def test_the_same_line_again_makes_nothing_and_says_so(job: Job) -> None:
    assert job.again.returncode == 0, job.again.stderr
    summary = job.again.stderr.splitlines()[-1]
    assert summary.startswith("2 videos: 0 restored, 2 already done (0 artifacts made, 2 reused) in ")
    report = json.loads(job.again.stdout)
    assert set(report["videos"].values()) == {"reused"}
    assert {stage: outcomes for stage, outcomes in report["stages"].items() if outcomes} == {"assemble": {"reused": 2}}


def test_the_reports_and_the_status_agree(job: Job) -> None:
    report = json.loads(job.first.stdout)
    made = {stage: outcomes["done"] for stage, outcomes in report["stages"].items()}
    told = {stage: counts["done"] for stage, counts in job.between["stages"].items()}
    assert told["flow"] == made["flow"] and told["sample"] == made["sample"] and told["decode"] == made["decode"]
    assert made["split"] == made["flow"] + 2 and made["assemble"] == told["assemble"] == 2
    assert job.between["videos"] == {"total": 2, "done": 2, "failed": 0, "left": 0}
    after = status(Path(job.line.workspace))
    assert after["videos"] == job.between["videos"]
    assert [after["stages"][name]["done"] for name in made] == [told[name] for name in made]
    assert after["epoch"] == job.between["epoch"] + 1


def test_status_for_people_fits_a_line_per_stage(job: Job) -> None:
    words = [sys.executable, "-m", "jobs.status", str(job.line.workspace)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0 and done.stdout.startswith("2 videos: 2 restored, 0 failed, 0 left\n")
    assert all(stage in done.stdout for stage in ("split", "flow", "sample", "decode", "assemble"))


def test_the_installed_command_finishes_what_is_missing(job: Job, tmp_path: Path) -> None:
    before = published(job.output)
    shutil.copytree(job.library, tmp_path / "library")
    shutil.copytree(Path(job.line.workspace), tmp_path / "workspace")
    program = shutil.which("reelift", path=str(Path(sys.executable).parent))
    if program is None:
        pytest.skip("the package is not installed")
    line = replace(
        job.line,
        inputs=[tmp_path / "library"],
        output=tmp_path / "restored",
        workspace=tmp_path / "workspace",
        program=(program, "restore"),
    )
    done = line.run()
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["stages"]["decode"].keys() == {"reused"} and report["stages"]["assemble"]["done"] == 2
    assert published(tmp_path / "restored") == before


def test_intermediate_artifacts_of_finished_videos_may_be_deleted(job: Job, tmp_path: Path) -> None:
    shutil.copytree(Path(job.line.workspace), tmp_path / "workspace")
    for stage in ("split", "flow", "sample", "decode"):
        shutil.rmtree(tmp_path / "workspace" / "artifacts" / stage)
    done = replace(job.line, workspace=tmp_path / "workspace").run()
    assert done.returncode == 0 and "2 already done (0 artifacts made, 2 reused)" in done.stderr


@pytest.fixture
def stranger(job: Job, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the line with other settings in a copy of the workspace."""

    def run(**settings: str) -> subprocess.CompletedProcess[str]:
        shutil.copytree(Path(job.line.workspace), tmp_path / "workspace")
        changed = {name.replace("_", "."): value for name, value in settings.items()}
        return replace(job.line, workspace=tmp_path / "workspace", settings=changed).run()

    return run


def test_a_workspace_made_with_other_settings_is_refused(
    stranger: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    done = stranger(seed="7", scale="3")
    assert done.returncode == 1 and done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: {tmp_path / 'workspace'} was made with other settings: ")
    assert "scale was 2.0 and is now 3.0, seed was 42 and is now 7; use another workspace" in line
    assert line.endswith("(--reprocess)")


def test_with_permission_only_what_the_new_settings_reach_is_made_again(job: Job, tmp_path: Path) -> None:
    shutil.copytree(Path(job.line.workspace), tmp_path / "workspace")
    changed = {"workspace": tmp_path / "workspace", "output": tmp_path / "restored"}
    line = replace(job.line, settings={"decode.colour_fix": "none"}, more=["--json", "--reprocess"], **changed)
    done = line.run()
    assert done.returncode == 0, done.stderr
    stages = json.loads(done.stdout)["stages"]
    assert stages["sample"].keys() == {"reused"} and stages["decode"].keys() == {"done"}
    assert published(tmp_path / "restored").keys() == published(job.output).keys()
    assert published(tmp_path / "restored") != published(job.output)
