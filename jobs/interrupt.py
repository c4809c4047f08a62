"""Ctrl-C and SIGTERM: once ends a run when the items in flight are finished, twice ends it at once.

SIGTERM is what Kubernetes, Slurm and ``ray job stop`` send; they end the process by force some time after it.
"""

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

STOPPED = 130  # 128 and the number of SIGINT, as shells count; the same for SIGTERM: both mean "goes on later"
SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def patient(stop: Stop) -> Iterator[None]:
    """Within this context the first Ctrl-C or SIGTERM asks ``stop``, the second raises KeyboardInterrupt."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread hears signals
        return

    def hear(number: int, frame: FrameType | None) -> None:
        if stop:
            signal.default_int_handler(number, frame)
        stop.ask()
        name = "Ctrl-C" if number == signal.SIGINT else "SIGTERM"
        tell(f"Stopping: what is in flight is being finished. {name} again stops at once.")

    before = {each: signal.signal(each, hear) for each in SIGNALS}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


@contextmanager
def going_on() -> Iterator[None]:
    """Say that the same line goes on, if Ctrl-C ends what is within this context; or decorate a command with it."""
    try:
        yield
    except KeyboardInterrupt:
        tell_how_to_go_on()
        raise


def tell_how_to_go_on() -> None:
    """Say that nothing is lost, and the line that goes on."""
    told = f"Stopped. The same command line goes on from here:\n  {this_line()}"
    if any(_without_secrets(word) != word for word in sys.argv[1:]):
        told += "\n(put back what is left out of its URLs: users, passwords, parameters)"
    tell(told, resume=this_line())


def this_line() -> str:
    """The command line of this process, as one would type it, without what is secret in its URLs."""
    program = Path(sys.argv[0])
    words = ["python", "-m", f"jobs.{program.stem}"] if program.suffix == ".py" else [program.name]
    return shlex.join([*words, *map(_without_secrets, sys.argv[1:])])


def _without_secrets(word: str) -> str:
    from pipeline.sources import redact

    # Of --output=URL the URL alone: what is secret in it depends on how it begins.
    option, equals, value = word.partition("=") if word.startswith("--") else ("", "", word)
    return f"{option}{equals}{redact(value)}"
