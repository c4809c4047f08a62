"""The ten commonest mistakes of a new user: what is said is reviewed here, word by word, and names the way out."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console
from whole_jobs import write_clip

from jobs.cli import app
from jobs.invocation import run_app

Call = Callable[[str], tuple[int, str]]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Call:
    """Type a line in a folder that holds ``tapes/``, ``empty/`` and a file ``mine.yaml``."""
    write_clip(tmp_path / "tapes" / "a.mkv", frames=2)
    (tmp_path / "empty").mkdir()
    (tmp_path / "mine.yaml").write_text("sample:\n  steps: 5\n  guidence: {scale: 0.1}\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("jobs.console._console", Console(stderr=True, width=300))
    monkeypatch.setattr("pipeline.executors.on_ray.RayExecutor.execute", _too_late)
    monkeypatch.setenv("CXX", "no-compiler")
    for name in ("RAY_ADDRESS", "RAY_JOB_CONFIG_JSON_ENV_VAR"):
        monkeypatch.delenv(name, raising=False)

    def typed(line: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["reelift", *line.split()])
        with pytest.raises(SystemExit) as ended:
            run_app(app, "reelift")
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return int(ended.value.code or 0), said.err.replace(str(tmp_path), "HERE")

    return typed


def _too_late(*_: object) -> None:
    raise AssertionError("a mistake that is known before is to be told before Ray starts, which takes a minute")


MISTAKES = {
    "a misspelt command": (
        "reelift restor tapes -o out -w run",
        1,
        r"No such command 'restor'\. Did you mean 'restore'",
    ),
    "an option forgotten": (
        "restore tapes -o out",
        1,
        r"Missing option '--workspace' / '-w'",
    ),
    "an executor that is none": (
        "restore tapes -o out -w run --executor foo",
        1,
        r"Invalid value for '--executor': 'foo' is not one of 'ray', 'local'",
    ),
    "an option that is no number": (
        "restore tapes -o out -w run --scale big",
        1,
        r"Invalid value for '--scale': allowed: a number",
    ),
    "an option out of bounds": (
        "report run --frames -1",
        1,
        r"Invalid value for '--frames': allowed: greater than or equal to 0",
    ),
    "nothing there": (
        "restore empty -o out -w run",
        1,
        r"error: no video was found in empty; check the path \(folders are searched for the suffixes of videos; ",
    ),
    "a misspelt file": (
        "restore tapes/b.mkv -o out -w run",
        1,
        r"error: HERE/tapes/b\.mkv: no such file or folder; check the path",
    ),
    "a misspelt setting": (
        "restore tapes -o out -w run --set sample.stepz=5",
        1,
        r"error: --set sample\.stepz=5: sample\.stepz is not a setting \(did you mean steps\?\); allowed: ",
    ),
    "a misspelt setting in a file": (
        "restore tapes -o out -w run --config mine.yaml",
        1,
        r"error: mine\.yaml, line 3: sample\.guidence is not a setting \(did you mean guidance\?\); allowed: ",
    ),
    "a setting of another section": (
        "restore tapes -o out -w run --set model.device=cuda",
        1,
        r"error: --set model\.device=cuda: model\.device is not a setting \(did you mean runtime\.device\?\); "
        r"model itself takes a path$",
    ),
    "a device that does not exist": (
        "restore tapes -o out -w run --set runtime.device=gpu",
        1,
        r"error: --set runtime\.device=gpu: runtime\.device is 'gpu'; allowed: auto, cpu, cuda, .*, or one of several",
    ),
    "a value that is no number": (
        "restore tapes -o out -w run --set scale=five",
        1,
        r"error: --set scale=five: scale is 'five'; allowed: a number$",
    ),
    "a value out of bounds": (
        "restore tapes -o out -w run --scale 16",
        1,
        r"error: --set scale=16\.0: scale is 16\.0; allowed: less than or equal to 8",
    ),
    "a device that this machine lacks": (
        "restore tapes -o out -w run --set runtime.device=cuda:99",
        1,
        r"error: stage flow cannot start: runtime\.device: device 'cuda:99' cannot be used: .*; use 'auto' or 'cpu'$",
    ),
    "a model folder with a part missing": (
        "restore tapes -o out -w run --set model=empty",
        1,
        r"error: stage flow cannot start: model folder empty: no flow/; it is empty or does not exist",
    ),
    "a preset that needs a model": (
        "restore tapes -o out -w run --preset reference",
        1,
        r"error: stage flow cannot start: \S+/embedded/flow: holds a SPyNet, not a RAFT; .*convert-checkpoint",
    ),
    "networks compiled without a compiler": (
        "restore tapes -o out -w run --set runtime.compile=kernels",
        1,
        r"error: stage flow cannot start: runtime\.compile: cannot compile networks: there is no C\+\+ compiler "
        r"'no-compiler' here; install it or set CXX, or set it to 'off'$",
    ),
    "the output in the input": (
        "restore tapes -o tapes/out -w run",
        1,
        r"error: the output HERE/tapes/out is inside the input tapes; choose another folder",
    ),
    "the output for the workspace": (
        "status empty",
        1,
        r"error: HERE/empty: no workspace is there; give the folder that restore was given",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_it_says_what_is_wrong_and_the_way_out(call: Call, mistake: str, tmp_path: Path) -> None:
    line, code, words = MISTAKES[mistake]
    ended, said = call(line.removeprefix("reelift "))
    assert ended == code and re.search(words, said), said
    if code == 1 and said.startswith("error: "):
        assert said.count("\n") == 1, said
    assert not (tmp_path / "out").exists() and not (tmp_path / "run").exists()
