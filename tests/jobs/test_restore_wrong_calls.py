"""Calls that cannot work: exit code 1, one line that says what is wrong and what to do, and nothing is begun."""

from __future__ import annotations

import subprocess
import sys
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from whole_jobs import ROOT, Line, environment, tree, write_clip

from jobs.cli import app
from jobs.invocation import run_app, run_function
from jobs.restore import restore
from jobs.status import status


@pytest.fixture
def library(tmp_path: Path) -> Path:
    write_clip(tmp_path / "library" / "one.mkv", frames=2)
    (tmp_path / "file").write_text("a file, no folder")
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad.yaml").write_text("split: [1\n")
    (tmp_path / "list.yaml").write_text("- 1\n")
    return tmp_path / "library"


@dataclass(frozen=True)
class Done:
    """What a call ended with."""

    returncode: int
    stdout: str
    stderr: str


Call = Callable[..., Done]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Run a command line in this process: parsing, exit code and all that is printed are those of ``python -m``."""

    def run(*words: str | Path, command: Callable[..., int] = restore, cwd: Path = ROOT) -> Done:
        monkeypatch.chdir(cwd)
        monkeypatch.setenv("COLUMNS", "400")
        monkeypatch.setattr(sys, "argv", [command.__name__, *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            run_function(command, command.__name__)
        said = capsys.readouterr()
        return Done(int(ended.value.code or 0), said.out, said.err)

    return run


def complaint(done: Done | subprocess.CompletedProcess[str]) -> str:
    """The one line that a refused call prints."""
    assert done.returncode == 1 and done.stdout == "", done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    return line.removeprefix("error: ")


def test_a_process_of_its_own_says_the_same(tmp_path: Path) -> None:
    words = ["x.mkv", "-o", str(tmp_path / "o"), "-w", str(tmp_path / "w"), "--set", "sample.step=3"]
    line = [sys.executable, "-m", "jobs.restore", *words]
    done = subprocess.run(line, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=120, check=False)
    assert complaint(done).startswith(SETTINGS["sample.step=3"])


SETTINGS = {
    "sample.step=3": "--set sample.step=3: sample.step is not a setting (did you mean steps?); allowed: ",
    "sample.steps=0": "--set sample.steps=0: sample.steps is 0; allowed: greater than or equal to 1",
    "scale=big": "--set scale=big: scale is 'big'; allowed: a number",
    "seed": "--set seed: write it as key=value, like --set sample.steps=20",
    "split.chunk_frames=4": "--set split.chunk_frames=4: split: chunk_frames (4) must be more than twice",
    "preset=embeded": "--set preset=embeded: preset is 'embeded'; allowed: embedded, conservative, detail",
}


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_wrong_setting_is_named_with_what_is_allowed(call: Call, tmp_path: Path, setting: str) -> None:
    done = call("x.mkv", "-o", tmp_path / "o", "-w", tmp_path / "w", "--set", setting, "--executor", "local")
    assert complaint(done).startswith(SETTINGS[setting])


FILES = {
    "none.yaml": ": no such file",
    "bad.yaml": ", line 2: not YAML (",
    "list.yaml": ": holds a list where keys and values are expected",
    "library": ": a folder, not a file",
}


@pytest.mark.parametrize("name", FILES)
def test_a_wrong_configuration_file_is_named(call: Call, library: Path, tmp_path: Path, name: str) -> None:
    done = call(library, "-o", tmp_path / "o", "-w", tmp_path / "w", "-c", tmp_path / name)
    assert complaint(done).startswith(f"{tmp_path / name}{FILES[name]}")


PLACES = {
    "the output inside the input": (["library"], "library/out", "w", "the output {}/library/out is inside the input"),
    "the output is the input": (["library"], "library", "w", "the output {}/library is inside the input {}/library"),
    "a source would be replaced": (["library/one.mkv"], "library", "w", "{}/library/one.mkv is a source and would be"),
    "the workspace inside the input": (["library"], "o", "library/w", "the workspace {}/library/w is inside the input"),
    "the output is the workspace": (["library"], "run/", "run", "output and workspace are one folder, {}/run; choose"),
    "nothing to do": (["empty"], "o", "w", "no video was found in {}/empty"),
    "an unknown protocol": (["nope://x/a.mkv"], "o", "w", "nope://: Protocol not known: nope; check the URL"),
    "an output of unknown protocol": (["library"], "nope://o", "w", "nope://: Protocol not known: nope; check the URL"),
    "an input that nobody serves": (["ftp://u:p@127.0.0.1:9/x"], "o", "w", "ftp://127.0.0.1:9/x: cannot be read (Conn"),
    "an output that nobody serves": (["library"], "ftp://u:p@127.0.0.1:9/o", "w", "ftp://127.0.0.1:9/o: cannot be rea"),
    "a workspace nobody serves": (["library"], "o", "ftp://u:p@127.0.0.1:9/w", "ftp://127.0.0.1:9/w: cannot be reache"),
    "the output is a file": (["library"], "file", "w", "{}/file: a file is where a folder is expected; choose another"),
    "the output is below a file": (["library"], "file/o", "w", "{}/file/o: a file is where a folder is expected; "),
    "the output cannot be made": (["library"], "/proc/o", "w", "/proc/o: the folder cannot be made; choose another"),
    "an empty input": ([""], "o", "w", "an input has an empty name; is a variable of the shell not set?"),
    "an empty output": (["library"], "", "w", "a folder has an empty name; is a variable of the shell not set?"),
    "an empty workspace": (["library"], "o", "", "a folder has an empty name; is a variable of the shell not set?"),
    "the workspace is a file": (["library"], "o", "file", "{}/file: a file is where a folder is expected; choose"),
    "the workspace is below a file": (["library"], "o", "file/w", "{}/file/w: a file is where a folder is expected; "),
    "the workspace cannot be made": (["library"], "o", "/proc/w", "/proc/w: the folder cannot be made; choose another"),
    "an output in memory": (
        ["library"],
        "memory://o",
        "w",
        "memory://o: what lies in memory is gone when this command",
    ),
    "a workspace in memory": (["library"], "o", "memory://w", "memory://w: what lies in memory is gone when this comm"),
    "an output not UTF-8": (
        ["library"],
        "o\udce9",
        "w",
        "{}/o\\xe9: its name is not UTF-8; rename it or choose another",
    ),
    "a workspace not UTF-8": (["library"], "o", "w\udce9", "{}/w\\xe9: its name is not UTF-8; rename it or choose ano"),
}


@pytest.mark.parametrize("case", PLACES)
def test_a_place_that_cannot_be_used_is_refused_before_any_work(
    call: Call, library: Path, tmp_path: Path, case: str
) -> None:
    inputs, output, workspace, message = PLACES[case]
    before = tree(library)
    given = [each if "://" in each or not each else tmp_path / each for each in inputs]
    done = call(*given, "-o", output, "-w", workspace, "--executor", "local", cwd=tmp_path)
    assert complaint(done).startswith(message.format(*[tmp_path] * message.count("{}")))
    assert tree(library) == before and not list(tmp_path.rglob("*.parquet"))


@pytest.mark.parametrize("name", ["verify", "reprocess", "retry", "report"])
def test_a_workspace_whose_name_cannot_be_recorded_is_one_line(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "w\udce9"
    (place / "manifest" / "epochs").mkdir(parents=True)
    monkeypatch.setattr(sys, "argv", ["reelift", name, str(place)])
    with pytest.raises(SystemExit) as ended:
        run_app(app, "reelift")
    assert ended.value.code == 1 and "w\\xe9: its name is not UTF-8" in capsys.readouterr().err


def test_two_inputs_with_one_place_in_the_output_are_refused(call: Call, library: Path, tmp_path: Path) -> None:
    write_clip(tmp_path / "other" / "ONE.mkv", frames=2)
    done = call(library, tmp_path / "other", "-o", tmp_path / "o", "-w", tmp_path / "w")
    assert "would both become" in complaint(done) and "rename one" in complaint(done)


def test_a_folder_that_holds_no_model_is_named(call: Call, library: Path, tmp_path: Path) -> None:
    done = call(*Line([library], tmp_path / "o", tmp_path / "w", tmp_path / "empty").words[3:])
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
def test_a_line_that_cannot_be_parsed_is_explained(call: Call, words: list[str], message: str) -> None:
    done = call(*words)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert message in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("name", ["nowhere", "file", "empty"])
def test_status_of_what_is_no_workspace_says_so(call: Call, library: Path, tmp_path: Path, name: str) -> None:
    done = call(tmp_path / name, command=status)
    assert complaint(done) == f"{tmp_path / name}: no workspace is there; give the folder that restore was given"


def test_status_of_a_workspace_that_nobody_serves_says_so(call: Call) -> None:
    said = complaint(call("ftp://user:secret@127.0.0.1:9/w", command=status))
    assert said.startswith("ftp://127.0.0.1:9/w: cannot be reached (Connection refused); check the URL")


@pytest.mark.parametrize("place", ["input", "workspace"])
def test_a_bucket_without_credentials_says_so(
    call: Call, library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    pytest.importorskip("s3fs", reason="s3fs is not installed").S3FileSystem.clear_instance_cache()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    places = {"input": str(library), "workspace": "w", place: "s3://some-bucket/x"}
    words = [places["input"], "-o", "o", "-w", places["workspace"], "--executor", "local"]
    said = complaint(call(*words, cwd=tmp_path))
    assert said.startswith("s3://some-bucket/x")
    assert said.endswith(": no credentials were found; set them in the environment")


def test_inputs_are_listed_once(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bucket of a hundred thousand captures takes minutes."""
    roots = [f"memory://{uuid.uuid4().hex}" for _ in range(3)]
    for root, suffix in zip(roots, ("mkv", "mkv", "txt"), strict=True):
        with fsspec.open(f"{root}/{root[-8:]}.{suffix}", "wb") as file:
            file.write(b"no video")
    listed, find = [], MemoryFileSystem.find

    def counted(self: MemoryFileSystem, path: str, *more: Any, **options: Any) -> Any:
        listed.append(path)
        return find(self, path, *more, **options)

    monkeypatch.setattr(MemoryFileSystem, "find", counted)
    done = call(*roots, "-o", tmp_path / "o", "-w", tmp_path / "w", "--executor", "local")
    assert done.returncode == 2 and f"warning: {roots[2]}: no video was found in it" in done.stderr
    assert len(listed) == 3
