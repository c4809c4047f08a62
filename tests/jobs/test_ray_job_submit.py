"""``ray job submit`` to a Ray that was started on this machine, as the manual shows it."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from ray_head import BIN, Head, ray_head, surroundings
from whole_jobs import ROOT, Line, check_restored, environment, write_clip

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def head() -> Iterator[Head]:
    with ray_head() as found:
        yield found


@pytest.fixture(scope="module")
def address(head: Head) -> str:
    """Its dashboard."""
    return head.dashboard


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clean working directory: the files that belong to the project, and nothing that lies about."""
    place = tmp_path_factory.mktemp("checkout")
    known = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    for name in known.decode().split("\0"):
        if name and (ROOT / name).is_file():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, place / name)
    return place


def submit(address: str, checkout: Path, *words: str, **changed: str) -> subprocess.CompletedProcess[str]:
    runtime_env = json.dumps({"env_vars": {"OMP_NUM_THREADS": "1", "REELIFT_TEST": "runtime_env"}})
    line = [str(BIN / "ray"), "job", "submit", "--working-dir", ".", "--runtime-env-json", runtime_env, "--", *words]
    env = {**surroundings(), "RAY_ADDRESS": address, **changed}
    return subprocess.run(line, cwd=checkout, env=env, capture_output=True, text=True, timeout=300, check=False)


def test_the_job_gets_the_code_and_what_it_needs_but_not_the_rest(address: str, checkout: Path) -> None:
    files = "os.path.dirname(os.path.dirname(jobs.restore.__file__)), *sorted(os.listdir())"
    embedded = "*sorted(os.listdir(models.folder.EMBEDDED_FOLDER))"
    script = f"import os, jobs.restore, pipeline.run, models.folder; print({files}, {embedded}, sep=chr(10))"
    script += "; print(os.environ['REELIFT_TEST'])"
    done = submit(address, checkout, "python", "-c", script)
    assert done.returncode == 0, done.stdout + done.stderr
    said = set(done.stdout.splitlines())
    assert any("working_dir_files" in line for line in said)
    assert {"runtime_env", "jobs", "models", "pipeline", "stages", "samples", "initial_estimate"} <= said
    assert not said & {".git", "tests", ".venv", "venv", "docs", "benchmarks"}


def test_a_submitted_job_restores_and_its_exit_code_is_the_jobs(
    address: str, checkout: Path, tmp_path: Path, model: Path
) -> None:
    source = write_clip(tmp_path / "library" / "one.mkv", frames=9, audio="flac")
    line = Line(
        [tmp_path / "library"],
        tmp_path / "restored",
        tmp_path / "workspace",
        model,
        executor="ray",
        program=("python", "-m", "jobs.restore"),
    )
    done = submit(address, checkout, *line.words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 video: 1 restored" in done.stdout
    check_restored(source, tmp_path / "restored" / "one.mkv")
    (tmp_path / "library" / "bad.mkv").write_text("no video")
    failed = submit(address, checkout, *line.words)
    assert failed.returncode == 1 and "2 videos: 0 restored, 1 already done, 1 failed" in failed.stdout
    assert "exit code 2" in failed.stdout + failed.stderr


def test_who_does_not_know_the_token_is_turned_away(address: str, checkout: Path) -> None:
    done = submit(address, checkout, "true", RAY_AUTH_TOKEN="0" * 64)
    assert done.returncode != 0 and "oken" in done.stdout + done.stderr


def test_a_driver_without_the_token_is_told_how_to_get_in(head: Head, model: Path, tmp_path: Path) -> None:
    write_clip(tmp_path / "library" / "one.mkv", frames=3)
    line = Line([tmp_path / "library"], tmp_path / "restored", tmp_path / "workspace", model, executor="ray")
    env = {**environment(), "RAY_ADDRESS": head.address}
    done = subprocess.run(line.words, cwd=ROOT, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert f"the Ray cluster at {head.address} asks for its token: set RAY_AUTH_MODE=token" in done.stderr
    assert "Traceback" not in done.stderr
