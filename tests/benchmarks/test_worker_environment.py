"""A benchmark's command gives a worker's figures, whatever environment it is started in."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline.executors.memory import WORKER_ENVIRONMENT

ROOT = Path(__file__).parents[2]
NOTE = """
import ctypes, json, os
def kept():  # MiB (256 pages) that malloc keeps of 256 MiB when they are free again
    library = ctypes.CDLL(None)
    library.malloc.restype, library.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
    before = resident()
    block = library.malloc(256 << 20)
    ctypes.memset(block, 1, 256 << 20)
    library.free(block)
    return resident() - before
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) >> 8
note = {"process": os.getpid(), "environment": dict(os.environ), "kept": kept() if "FILL" in os.environ else None}
with open(os.environ["NOTES"], "a") as file:
    print(json.dumps(note), file=file)
"""
"""Run by Python whenever it starts."""


class Command:
    """Runs Python in an environment without a worker's settings, and notes every start of it."""

    def __init__(self, folder: Path) -> None:
        self.notes = folder / "notes"
        (folder / "sitecustomize.py").write_text(NOTE)
        inherited = {name: value for name, value in os.environ.items() if name not in WORKER_ENVIRONMENT}
        self.environment = inherited | {"PYTHONPATH": str(folder), "NOTES": str(self.notes)}

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run it to its end; it must succeed."""
        words, both = [sys.executable, *arguments], self.environment | environment
        done = subprocess.run(words, cwd=ROOT, env=both, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        return done

    def starts(self) -> list[dict[str, Any]]:
        """The notes of its one process."""
        notes = [json.loads(note) for note in self.notes.read_text().splitlines()]
        assert len({note["process"] for note in notes}) == 1, "it is replaced: who ends it ends all of it"
        return notes

    def settings(self) -> list[dict[str, str]]:
        """What each start had of a worker's environment."""
        there = [start["environment"] for start in self.starts()]
        return [{name: every[name] for name in WORKER_ENVIRONMENT if name in every} for every in there]


@pytest.fixture
def command(tmp_path: Path) -> Command:
    return Command(tmp_path)


@pytest.mark.parametrize("name", ["sampler", "cost_curve", "networks", "step_profile"])
def test_a_benchmark_begins_again_once_as_a_worker(name: str, command: Command) -> None:
    assert f"usage: python -m benchmarks.{name}" in command.run("-m", f"benchmarks.{name}", "--help").stdout
    assert command.settings() == [{}, WORKER_ENVIRONMENT]


def test_what_is_measured_is_measured_so_and_says_so(command: Command, tmp_path: Path) -> None:
    file, wish = tmp_path / "rows.json", {"MALLOC_TOP_PAD_": "1048576"}
    on_glibc = {"FILL": "1"} if platform.libc_ver()[0] == "glibc" else {}
    options = ["--width", "16", "--height", "16", "--frames", "2", "--json", str(file)]
    done = command.run("-m", "benchmarks.estimate", *options, OMP_DISPLAY_ENV="VERBOSE", **wish, **on_glibc)
    assert command.settings() == [wish, WORKER_ENVIRONMENT | wish], "what is set counts"
    assert json.loads(file.read_text())["machine"]["environment"] == WORKER_ENVIRONMENT | wish
    if on_glibc:
        first, second = command.starts()
        assert first["kept"] < 64 and second["kept"] > 200
    if "GOMP_SPINCOUNT" in done.stderr:  # GNU's OpenMP tells what it makes of its environment, at each start
        told = [line for line in done.stderr.splitlines() if "GOMP_SPINCOUNT" in line]
        assert "'0'" in told[-1] and "'0'" not in told[0]


def test_a_worker_s_environment_is_left_as_it_is(command: Command) -> None:
    command.run("-m", "benchmarks.estimate", "--help", **WORKER_ENVIRONMENT)
    assert command.settings() == [WORKER_ENVIRONMENT]


def test_a_program_that_only_borrows_a_benchmark_is_not_replaced(command: Command) -> None:
    borrowing = "import runpy; runpy.run_module('benchmarks.estimate', run_name='__main__')"
    assert "usage" in command.run("-c", borrowing, "--help").stdout
    assert command.settings() == [{}]
