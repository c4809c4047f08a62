"""The manual's commands: read as a shell reads them, and held against the real parsers.

A block of shell is run by bash with nothing on its PATH but stand-ins that note their words, so that quotes, variables,
loops and pipes are what they are in a shell. The words then go to the argument parser of the program that they call.
"""

from __future__ import annotations

import argparse
import os
import runpy
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from manual import Block
from whole_jobs import ROOT, environment

OURS = ("reelift", "python", "python3")
OTHERS = ("pip", "ray", "apt-get", "sha256sum", "mediaconch", "tensorboard", "aws", "cp", "ffmpeg")
"""Programs that are not ours: the shell must be able to read their lines; pip and ray are asked themselves."""

_STAND_IN = """#!/bin/bash
printf '%s\\0' "${0##*/}" "$@" $'\\x1e' >> "$NOTES"
"""


def words_of(block: Block, folder: Path) -> list[list[str]]:
    """The commands that a shell would run, word by word. Nothing is run."""
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("needs bash")
    stand_ins = folder / ".venv" / "bin"
    stand_ins.mkdir(parents=True, exist_ok=True)
    for name in (*OURS, *OTHERS):
        (stand_ins / name).write_text(_STAND_IN.replace("/bin/bash", bash))
        (stand_ins / name).chmod(0o755)
    (stand_ins / "activate").touch()
    notes = folder / "notes"
    notes.write_bytes(b"")
    surroundings = {"PATH": str(stand_ins), "NOTES": str(notes), "HOME": str(folder)}
    done = subprocess.run(
        [bash, "-eu"],
        input=f"{block.text}\nwait",
        cwd=folder,
        env=surroundings,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 0, f"{block}: {done.stderr}"
    noted = notes.read_bytes().decode().split("\0\x1e\0")
    return [command.split("\0") for command in noted if command]


def run(block: Block, folder: Path, surroundings: dict[str, str] | None = None) -> str:
    """Run a block for real in a folder; return what it printed.

    Args:
        block: the commands.
        folder: where they are run.
        surroundings: variables, PATH among them; by default ``reelift`` is this checkout.

    Raises:
        AssertionError: if a command of it fails.
    """
    if surroundings is None:
        programs = folder / "programs"
        programs.mkdir(exist_ok=True)
        (programs / "reelift").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m jobs.cli "$@"\n')
        (programs / "reelift").chmod(0o755)
        surroundings = {"PATH": f"{programs}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-eu"],
        input=block.text,
        cwd=folder,
        env={**environment(), **surroundings},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{block}: {done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def check(words: Sequence[str]) -> None:
    """Give a command's words to the parser of its program.

    Raises:
        Exception: whatever that parser has to say against them.
    """
    program, rest = words[0], list(words[1:])
    if program == "reelift":
        _check_ours(rest)
    elif program.startswith("python"):
        _check_module(rest)
    elif program == "pip":
        _check_pip(rest)
    elif program == "ray":
        _check_ray(rest)


def _check_module(rest: list[str]) -> None:
    if rest[:1] == ["script.py"]:
        return
    assert rest[0] == "-m", f"python {rest}: a command is given as python -m"
    module = rest[1]
    if module.startswith("jobs."):
        _check_ours([module.removeprefix("jobs.").replace("_", "-"), *rest[2:]])
    elif module.startswith(("benchmarks.", "training.")):
        _check_parsed(module, rest[2:])
    elif module == "pytest":
        _check_pytest(rest[2:])
    elif module == "pip":
        _check_pip(rest[2:])
    else:
        assert module == "venv" and len(rest) == 3, f"python -m {module} is none of ours"


def _check_ours(words: list[str]) -> None:
    from typer.main import get_command

    from jobs.cli import app

    command: Any = get_command(app)
    name = "reelift"
    while hasattr(command, "commands") and words and not words[0].startswith("-"):
        name, words = words[0], words[1:]
        assert name in command.commands, f"there is no command {name}; there are {', '.join(command.commands)}"
        command = command.commands[name]
    if words in (["--version"], ["--help"]):
        return
    assert not hasattr(command, "commands"), f"{name} wants a command after it"
    command.make_context(name, words)


def _check_parsed(module: str, words: list[str]) -> None:
    class _ParsedError(Exception):
        pass

    real = argparse.ArgumentParser.parse_args

    def parse(self: argparse.ArgumentParser, *given: Any) -> None:
        real(self, *given)
        raise _ParsedError

    with (
        mock.patch.object(argparse.ArgumentParser, "parse_args", parse),
        mock.patch.object(sys, "argv", [module, *words]),
        pytest.raises(_ParsedError),
    ):
        runpy.run_module(module, run_name="__main__")


def _check_pytest(words: list[str]) -> None:
    from _pytest.mark.expression import Expression

    if words[:1] == ["-m"]:
        Expression.compile(words[1])
        words = words[2:]
    places = [word for word in words if "/" in word or word.endswith(".py")]
    assert all((ROOT / place).exists() for place in places), f"pytest {words}"


def _check_pip(words: list[str]) -> None:
    import setuptools  # noqa: F401  # before pip, which keeps it from ever being imported; torch does that late
    from pip._internal.commands import create_command

    options, wanted = create_command(words[0]).parse_args(words[1:])
    assert all((ROOT / name).is_file() for name in options.constraints), f"pip {words}: no such constraints"
    assert wanted or options.editables or options.requirements, f"pip {words}: installs nothing"


def _check_ray(words: list[str]) -> None:
    from ray.scripts.scripts import cli

    command: Any = cli
    while hasattr(command, "commands"):
        command, words = command.commands[words[0]], words[1:]
    parsed = command.make_context("ray", list(words))
    entrypoint = list(parsed.params.get("entrypoint", ()))
    if entrypoint:
        check(entrypoint)


def options_of(text: str) -> tuple[list[str], set[str]]:
    """The options that a command in running text names, and those that the command has."""
    from typer.main import get_command

    from jobs.cli import app

    words = text.replace("python -m jobs.", "reelift ").split()[1:]
    command: Any = get_command(app)
    while hasattr(command, "commands") and words and not words[0].startswith("-"):
        assert words[0] in command.commands, f"there is no command {words[0]}"
        command, words = command.commands[words[0]], words[1:]
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    given = [word.partition("=")[0].rstrip(".,") for word in words if word.startswith("--")]
    return given, {*known, "--help"}
