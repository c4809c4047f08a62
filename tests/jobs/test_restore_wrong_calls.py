"""Calls that cannot work: exit code 1, one line that says what is wrong and what to do, and nothing is begun."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from whole_jobs import ROOT, Line, environment, tree, write_clip


@pytest.fixture
def library(tmp_path: Path) -> Path:
    write_clip(tmp_path / "library" / "one.mkv", frames=2)
    (tmp_path / "file").write_text("a file, no folder")
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad.yaml").write_text("split: [1\n")
    (tmp_path / "list.yaml").write_text("- 1\n")
    return tmp_path / "library"


def call(*words: str | Path, module: str = "jobs.restore", cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", module, *map(str, words)]
    return subprocess.run(line, cwd=cwd, env=environment(), capture_output=True, text=True, timeout=120, check=False)


def complaint(done: subprocess.CompletedProcess[str]) -> str:
    """The one line that a refused call prints."""
    assert done.returncode == 1 and done.stdout == "", done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    return line.removeprefix("error: ")


SETTINGS = {
    "sample.step=3": "configuration: sample.step is not a setting (did you mean steps?); allowed: initial_estimate, ",
    "sample.steps=0": "configuration: sample.steps is 0; allowed: greater than or equal to 1",
    "scale=big": "configuration: scale is 'big'; allowed: a valid number",
    "seed": "--set seed: write it as key=value, like --set sample.steps=20",
    "split.chunk_frames=4": "configuration: split is a mapping; allowed: chunk_frames (4) must be more than twice",
    "preset=embeded": "configuration: preset is 'embeded'; allowed: embedded, reference, balanced, fast (did you mean",
}


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_wrong_setting_is_named_with_what_is_allowed(tmp_path: Path, setting: str) -> None:
    done = call("x.mkv", "-o", tmp_path / "o", "-w", tmp_path / "w", "--set", setting, "--executor", "local")
    assert complaint(done).startswith(SETTINGS[setting])


FILES = {
    "none.yaml": ": no such file",
    "bad.yaml": ", line 2: not YAML (",
    "list.yaml": ": holds a list where keys and values are expected",
    "library": ": a folder, not a file",
}


@pytest.mark.parametrize("name", FILES)
def test_a_wrong_configuration_file_is_named(library: Path, tmp_path: Path, name: str) -> None:
    done = call(library, "-o", tmp_path / "o", "-w", tmp_path / "w", "-c", tmp_path / name)
    assert complaint(done).startswith(f"{tmp_path / name}{FILES[name]}")


PLACES = {
    "the output inside the input": (["library"], "library/out", "w", "the output {}/library/out is inside the input"),
    "the output is the input": (["library"], "library", "w", "the output {}/library is inside the input {}/library"),
    "a source would be replaced": (["library/one.mkv"], "library", "w", "{}/library/one.mkv is a source and would be"),
    "the workspace inside the input": (["library"], "o", "library/w", "the workspace {}/library/w is inside the input"),
    "nothing to do": (["empty"], "o", "w", "no video was found in {}/empty"),
    "an unknown protocol": (["nope://x/a.mkv"], "o", "w", "nope://: Protocol not known: nope; check the URL"),
    "an output of unknown protocol": (["library"], "nope://o", "w", "nope://: Protocol not known: nope; check the URL"),
    "the output is a file": (["library"], "file", "w", "{}/file: a file is where a folder is expected; choose another"),
    "the output is below a file": (["library"], "file/o", "w", "{}/file/o: a file is where a folder is expected; "),
    "the output cannot be made": (["library"], "/proc/o", "w", "/proc/o: the folder cannot be made; choose another"),
    "the workspace is a file": (["library"], "o", "file", "{}/file: a file is where a folder is expected; choose"),
    "the workspace is below a file": (["library"], "o", "file/w", "{}/file/w: a file is where a folder is expected; "),
    "the workspace cannot be made": (["library"], "o", "/proc/w", "/proc/w: the folder cannot be made; choose another"),
}


def _absolute(given: str, root: Path) -> str:
    return given if "://" in given else str(root / given)


@pytest.mark.parametrize("case", PLACES)
def test_a_place_that_cannot_be_used_is_refused_before_any_work(library: Path, tmp_path: Path, case: str) -> None:
    inputs, output, workspace, message = PLACES[case]
    before = tree(library)
    done = call(
        *[_absolute(each, tmp_path) for each in inputs],
        "-o",
        output,
        "-w",
        workspace,
        "--executor",
        "local",
        cwd=tmp_path,
    )
    assert complaint(done).startswith(message.format(*[tmp_path] * message.count("{}")))
    assert tree(library) == before and not list(tmp_path.rglob("*.parquet"))


def test_two_inputs_with_one_place_in_the_output_are_refused(library: Path, tmp_path: Path) -> None:
    write_clip(tmp_path / "other" / "ONE.mkv", frames=2)
    done = call(library, tmp_path / "other", "-o", tmp_path / "o", "-w", tmp_path / "w")
    assert "would both become" in complaint(done) and "rename one" in complaint(done)


def test_a_folder_that_holds_no_model_is_named(library: Path, tmp_path: Path) -> None:
    done = Line([library], tmp_path / "o", tmp_path / "w", tmp_path / "empty").run()
    assert complaint(done).startswith(f"stage sample cannot start: model folder {tmp_path / 'empty'}: no unet/")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["x.mkv", "-o", "o"], "--workspace"),
        (["x.mkv", "-o", "o", "-w", "w", "--executor", "slurm"], "'slurm' is not one of 'ray', 'local'"),
        (["x.mkv", "-o", "o", "-w", "w", "--frobnicate"], "--frobnicate"),
        (["-x.mkv", "-o", "o", "-w", "w"], "-x"),
    ],
)
def test_a_line_that_cannot_be_parsed_is_explained(words: list[str], message: str) -> None:
    done = call(*words)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert message in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("name", ["nowhere", "file", "empty"])
def test_status_of_what_is_no_workspace_says_so(library: Path, tmp_path: Path, name: str) -> None:
    done = call(tmp_path / name, module="jobs.status")
    assert complaint(done) == f"{tmp_path / name}: no workspace is there; give the folder that restore was given"
