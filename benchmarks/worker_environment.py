"""What a worker's process is told of memory and threads, for benchmarks that run networks in their own process.

Malloc and OpenMP read it once, as the process starts: a benchmark that was started without it begins again.
"""

from __future__ import annotations

import os
import sys

from pipeline.executors.memory import WORKER_ENVIRONMENT

STARTED_WITH = {name: os.environ[name] for name in WORKER_ENVIRONMENT if name in os.environ}
"""What this process had of it when it started; what is set later, malloc and OpenMP do not read."""


def take_worker_environment() -> None:
    """Replace this process by the same command in a worker's environment, unless it has that already.

    What is set already counts. A process that is not a benchmark's own (``runpy``, a debugger) goes on as it is.
    """
    program = sys.modules["__main__"].__spec__
    own = program is not None and program.parent == __package__
    if own and WORKER_ENVIRONMENT.keys() - STARTED_WITH.keys():
        command = [sys.executable, *sys.orig_argv[1:]]
        os.execve(sys.executable, command, {**WORKER_ENVIRONMENT, **os.environ})
