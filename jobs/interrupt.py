"""Ctrl-C: once ends a run when the items in flight are finished, twice ends it at once."""

from __future__ import annotations

import shlex
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from jobs.console import tell

if TYPE_CHECKING:
    from pipeline.stopping import Stop

STOPPED = 130  # 128 and the number of the signal, as shells count


@contextmanager
def patient(stop: Stop) -> Iterator[None]:
    """Within this context the first Ctrl-C asks ``stop``, the second raises KeyboardInterrupt."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread hears signals
        return

    def hear(number: int, frame: FrameType | None) -> None:
        if stop:
            signal.default_int_handler(number, frame)
        stop.ask()
        tell("Stopping: what is in flight is being finished. Ctrl-C again stops at once.")

    before = signal.signal(signal.SIGINT, hear)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def tell_how_to_go_on() -> None:
    """Say that nothing is lost, and the line that goes on."""
    tell(f"Stopped. The same command line goes on from here:\n  {this_line()}", resume=this_line())


def this_line() -> str:
    """The command line of this process, as one would type it."""
    program = Path(sys.argv[0])
    words = ["python", "-m", f"jobs.{program.stem}"] if program.suffix == ".py" else [program.name]
    return shlex.join([*words, *sys.argv[1:]])
