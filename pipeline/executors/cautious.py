"""The local executor, once bitten: after a run that died at its work, the stages run in a process of their own.
So they do where attempts have been given a limit of time: what hangs can be ended with its process alone.

An item that kills its process takes a run with the local executor with it, and would take the next one, too. The marker
of its attempt stays (see ``attempts``). A run that finds such a marker hands its work to a second process and keeps the
account itself: when that process dies, the attempt is charged to the item in its hands, as on Ray, another process goes
on, and in the end the item is one failed row; an attempt that takes too long ends the process itself (``watchdog``).
A run after one that ended well, with the limits of time left as they are, does not pay for the second process.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any

from pipeline.config_running import Timeouts
from pipeline.driver import Driver
from pipeline.events import Reason
from pipeline.executors.base import StageFactory
from pipeline.executors.local import LocalExecutor
from pipeline.job import Job
from pipeline.rows import AssembleRow, Row, SourceRow
from pipeline.schemas import DIED, DONE, TIMED_OUT, Event, Record
from pipeline.stopping import Stopped
from pipeline.storage import StorageError
from pipeline.storage_errors import broken
from pipeline.workspace import Workspace
from pipeline.wrapper import SetupError

SPARE_DEATHS = 3


class CautiousExecutor:
    """``LocalExecutor`` in this process, or in one that may die."""

    here = True

    def execute(
        self, sources: Sequence[SourceRow], stages: Mapping[str, StageFactory], job: Job, driver: Driver
    ) -> None:
        """See ``Executor.execute``."""
        attempts = Workspace(job.workspace, job.scratch).attempts(job.epoch)
        limited = dict(job.timeouts) != Timeouts().model_dump()
        if sys.platform == "win32" or not (limited or attempts.died_before()):
            LocalExecutor().execute(sources, stages, job, driver)
            return
        left, deaths = list(sources), 0
        while left and not driver.stop:
            ended, worked = _attend((left, dict(stages), job), driver)
            if ended:
                return
            deaths = 0 if worked else deaths + 1
            if deaths > job.attempts + SPARE_DEATHS:
                raise SetupError("the process of the stages dies before it has done anything; see what it wrote above")
            settled = {*driver.states, *(source.shown for source in driver.deferred)}
            left = [source for source in left if source.shown not in settled]

    def close(self) -> None:
        """Nothing is left running."""


def _attend(work: tuple[Any, ...], driver: Driver) -> tuple[bool, bool]:
    """Answer a process that does the work; return whether it came to its end, and whether it got anything done."""
    worked = False
    with _other_process() as pipe:
        _tell(pipe, work)
        while (message := _hear(pipe)) is not None:
            asked, what = message
            answer: Any = None
            if asked == "end":
                if what is not None:
                    raise what
                return True, worked
            if asked == "record":
                worked |= any(isinstance(each, Event) and each.outcome in (DIED, TIMED_OUT, DONE) for each in what)
                driver.record(what)
            elif asked == "receive":
                answer = driver.receive(what)
            else:
                answer = bool(driver.stop)
            _tell(pipe, answer)
    return False, worked


def _hear(pipe: Connection) -> Any:
    """What the other process sends; None if it is dead."""
    try:
        return pipe.recv()
    except (EOFError, OSError):
        return None


def _tell(pipe: Connection, what: Any) -> None:
    """Send something to the other process; if it is dead, the next that is heard from it tells so."""
    with suppress(OSError):
        pipe.send(what)


@contextmanager
def _other_process() -> Iterator[Connection]:
    """Start a process that waits for work, and end it in any case. Signals of a terminal do not reach it."""
    ours, theirs = Pipe()
    words = [sys.executable, "-c", "from pipeline.executors.cautious import work; work()", str(theirs.fileno())]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    process = subprocess.Popen(
        words, stdin=subprocess.PIPE, env=environment, pass_fds=[theirs.fileno()], start_new_session=True
    )
    theirs.close()
    try:
        yield ours
    finally:
        ours.close()
        process.kill()
        process.communicate()


class _DistantDriver:
    """The driver, as the process of the stages sees it; its ``stop``, too."""

    def __init__(self, pipe: Connection) -> None:
        self.pipe, self.stop = pipe, self
        self._turn = threading.Lock()  # the watchdog's thread speaks, too

    def record(self, records: Sequence[Record]) -> None:
        """See ``Driver.record``."""
        self._ask("record", list(records))

    def receive(self, row: Row) -> AssembleRow | None:
        """See ``Driver.receive``."""
        answer: AssembleRow | None = self._ask("receive", row)
        return answer

    def check(self) -> None:
        """See ``Stop.check``."""
        if self._ask("stop"):
            raise Stopped

    def _ask(self, what: str, value: Any = None) -> Any:
        with self._turn:
            self.pipe.send((what, value))
            return self.pipe.recv()


def work() -> None:
    """What the second process does: all of the work, then tell how it ended."""
    threading.Thread(target=_die_with_the_first, daemon=True).start()
    os.set_inheritable(int(sys.argv[1]), False)
    pipe = Connection(int(sys.argv[1]))
    sources, stages, job = pipe.recv()
    driver: Any = _DistantDriver(pipe)
    ending: Exception | None = None
    try:
        LocalExecutor(mortal=True).execute(sources, stages, job, driver)
    except (SetupError, StorageError) as error:
        ending = error
    except OSError as error:
        ending = StorageError(broken(error))
    except Exception as error:
        why = Reason.of(error)
        print(why.traceback, end="", file=sys.stderr)
        ending = RuntimeError(f"{why.error_class}: {why.message}")  # not every exception can travel
    pipe.send(("end", ending))


def _die_with_the_first() -> None:
    sys.stdin.buffer.read()
    os._exit(1)
