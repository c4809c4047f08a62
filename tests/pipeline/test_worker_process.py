"""What a worker's process does with memory and cores."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from pipeline.executors.actors import StageActor
from pipeline.executors.memory import WORKER_ENVIRONMENT
from pipeline.rows import ChunkRow, FatalRow, Row, pack, unpack
from stages.items import Chunk

PROGRAM = """
import threading, torch
from pipeline.executors.memory import keep_memory
{call}
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) >> 8
def fill():
    before = resident()
    torch.ones(64 << 20)
    print(resident() - before)
if "thread" in globals():
    work = threading.Thread(target=fill)
    work.start()
    work.join()
else:
    fill()
"""


def kept(call: str, environment: dict[str, str]) -> int:
    """MiB (256 pages) that a new process still holds of a tensor of 256 MiB when it has freed it."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(call=call)],
        cwd=Path(__file__).parents[2],
        env={name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")} | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's settings")
def test_memory_that_was_freed_is_kept_for_the_next_layer() -> None:
    assert kept("", {}) < 64
    assert kept("keep_memory()", {}) > 200
    assert kept("keep_memory(); thread = True", {}) > 200, "Ray calls on another thread"
    assert kept("", WORKER_ENVIRONMENT) > 200


@pytest.mark.parametrize(("wish", "policy"), [({}, "PASSIVE"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE")])
def test_threads_sleep_while_they_wait_unless_somebody_wants_otherwise(wish: dict[str, str], policy: str) -> None:
    """On any cluster, too, whose processes have not been started by us; torch reads it when it is imported."""
    program = """
import os, sys
from pipeline.executors.actors import StageActor
from pipeline.executors.base import fix_threads
fix_threads(2)
print(os.environ["OMP_WAIT_POLICY"], "torch" in sys.modules)
"""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OMP_")} | wish
    words, root = [sys.executable, "-c", program], Path(__file__).parents[2]
    done = subprocess.run(words, cwd=root, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == f"{policy} False\n"


class Counting:
    """A worker that notes how many threads torch has where it runs."""

    def __init__(self) -> None:
        self.found: list[int] = []
        self.accounts = SimpleNamespace()

    def run(self, row: Row) -> Iterator[Row]:
        self.found.append(torch.get_num_threads())
        yield row


class BareActor(StageActor):
    """A stage's actor outside Ray, around a worker that is there already."""

    def __init__(self, worker: Any, threads: int) -> None:
        self.kind, self.threads, self.fatal, self.worker = "chunk", threads, None, worker
        self.spent = False

    def stopping(self) -> bool:
        return False


ROW = pack(ChunkRow("one.mp4", "0" * 64, Chunk("0" * 16, 0, 0, 0, 5, 0, 0)))


@pytest.mark.parametrize("threads", [2, 3])
def test_a_stage_has_its_threads_on_whatever_thread_it_is_called(threads: int) -> None:
    worker = Counting()
    actor = BareActor(worker, threads)
    thread = threading.Thread(target=actor.take, args=[ROW])
    thread.start()
    thread.join()
    assert worker.found == [threads]


class Broken(Counting):
    """A worker that fails where no item does."""

    def run(self, row: Row) -> Iterator[Row]:
        raise RuntimeError("403, url='https://me:pw@host/a.mkv?X-Amz-Signature=SECRETSIG'")


def test_what_an_actor_says_of_its_own_failure_holds_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    fatal = unpack(BareActor(Broken(), 2).take(ROW))
    what = "RuntimeError: 403, url='https://host/a.mkv'"
    assert fatal == FatalRow(f"the pipeline itself failed ({what}); report this")
    assert "Traceback" in caplog.text and what in caplog.text
    assert "SECRETSIG" not in caplog.text and "me:pw" not in caplog.text
