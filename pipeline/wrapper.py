"""The one wrapper around a stage: look up, count the attempt, time it, turn exceptions into failed rows, commit.

The order of steps, and what a crash after each of them leaves:

1. look up the artifact; if it is whole, the item is ``reused``.
2. count the attempt (durable). Crash: one attempt is charged to this item, to no other.
3. run the stage into a scratch folder. Crash: the folder is left, and swept by the next run.
4. commit (see ``artifacts``).
5. report ``done``. Crash: the artifact is there without its event; the next run reports ``reused``.
6. forget the attempts. Crash: a few stale markers, cleared at the end of the run.
"""

from __future__ import annotations

import errno
import json
import os
import platform
import shutil
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Protocol

from pipeline.artifacts import Artifact
from pipeline.attempts import Attempt
from pipeline.faults import device_lost
from pipeline.fingerprint import INPUTS, Recipe
from pipeline.rows import ChunkRow
from pipeline.schemas import (
    DAMAGED,
    DIED,
    DONE,
    FAILED,
    FREE,
    GAVE_UP,
    PREEMPTED,
    RETRIED,
    REUSED,
    TIMED_OUT,
    Event,
    Record,
    moment,
    since,
)
from pipeline.storage import StorageError
from pipeline.watchdog import Unwatched, Watchdog
from pipeline.workspace import Workspace
from stages.contract import Fact, ItemError, Stage
from stages.items import ChunkTask

Report = Callable[[Sequence[Record]], None]
"""Takes rows for the manifest. Returns when they are in the driver's hands."""

LONGEST_TRACEBACK = 20_000
LOW_DISK = 16 << 20
MOST_FREE = 50
"""Attempts that are not charged end here all the same: an item may be what takes its machine away."""


class ElsewhereError(Exception):
    """The attempt failed, and another worker shall make the next one. ``spent``: this one can work no more."""

    def __init__(self, spent: bool) -> None:
        super().__init__("the attempt failed")
        self.spent = spent


class Cluster(Protocol):
    """What a worker among others has to know of the cluster."""

    def is_gone(self, node: str) -> bool:
        """Whether the machine of this name has left the cluster."""
        ...


class SetupError(Exception):
    """A stage cannot be set up (missing weights, no such device): no item of it can ever work. One line."""


@dataclass(frozen=True, slots=True)
class Job:
    """What every worker of a run has to know.

    Attributes:
        workspace: URL of the workspace.
        output: URL of the output folder.
        epoch: the driver's epoch.
        recipe: names of all artifacts.
        attempts: how often an item is tried.
        verify: how artifacts are checked before they are believed.
        scratch: folder for temporary files, None for the default.
        threads: torch threads per worker; fixed, so that bytes do not depend on the size of the pools.
        ahead: chunks that split may be ahead of decode on Ray; None: eight per worker.
        keep_artifacts: whether the artifacts of published videos stay.
        scratch_bytes: space for artifacts of videos that are not published yet, on Ray; None: no bound.
        timeouts: stage -> seconds that an attempt may take, on Ray.
    """

    workspace: str
    output: str
    epoch: int
    recipe: Recipe
    attempts: int = 3
    verify: Literal["full", "size"] = "full"
    scratch: str | None = None
    threads: int = 1
    ahead: int | None = None
    keep_artifacts: bool = True
    scratch_bytes: int | None = None
    timeouts: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Item:
    """What an attempt is charged to."""

    fingerprint: str
    plan: str
    video: str
    chunk: int = -1
    source: str = ""


class Worker:
    """One stage in one process, with what surrounds it. Subclasses add ``run``.

    Args:
        stage: the stage, not set up yet.
        job: the run it works for.
        report: takes its events.
        node: name of the machine in the manifest.
        cluster: what there is besides this worker; None: nothing, it is alone.
    """

    def __init__(
        self, stage: Stage[Any, Any], job: Job, report: Report, node: str = "", cluster: Cluster | None = None
    ) -> None:
        self.stage, self.job, self.report, self.cluster = stage, job, report, cluster
        self._current: tuple[Item, Attempt, float] | None = None
        self.watchdog = Unwatched() if cluster is None else Watchdog(job.timeouts[stage.name], self._overdue)
        self.node = node or platform.node()
        self.name = f"{platform.node()}:{os.getpid()}"
        self.workspace = Workspace(job.workspace, job.scratch)
        self.attempts = self.workspace.attempts(job.epoch)
        self.workspace.sweep(job.epoch)
        self._downloads = self.workspace.scratch_folder(job.epoch)
        self.artifacts = self.workspace.artifacts(self._downloads, job.verify, self.damaged)

    def setup(self) -> None:
        """Set the stage up.

        Raises:
            SetupError: if the stage raises anything.
        """
        try:
            self.stage.setup()
        except Exception as error:
            raise SetupError(f"stage {self.stage.name} cannot start: {line(error)}") from error

    def teardown(self) -> None:
        """Tear the stage down and remove what was downloaded."""
        try:
            self.stage.teardown()
        finally:
            shutil.rmtree(self._downloads, ignore_errors=True)

    def damaged(self, stage: str, fingerprint: str, what: str) -> None:
        """Report an artifact that did not verify and was removed."""
        self.report([Event(stage, DAMAGED, fingerprint=fingerprint, message=what, worker=self.name, node=self.node)])

    def settle(
        self,
        item: Item,
        find: Callable[[], Artifact | None],
        make: Callable[[Path], Artifact],
    ) -> Artifact | None:
        """Find the item's artifact or make it, within the limit of attempts.

        Args:
            item: what is charged.
            find: returns the artifact if it is committed and whole.
            make: runs the stage into the given scratch folder and commits.

        Returns:
            The artifact, or None if the item failed for good; the events are reported.

        Raises:
            StorageError: if the disk is full or permission is denied: no item could succeed.
        """
        started = time.time()
        clock = time.perf_counter()
        artifact = find()
        if artifact is not None:
            self.report([self.event(item, REUSED, started=started, clock=clock, artifact=artifact)])
            return artifact
        while attempt := self.begin(item):
            clock = time.perf_counter()
            try:
                with self.at_work(item, attempt, clock), self.workspace.scratch(self.job.epoch) as folder:
                    artifact = make(folder)
            except Exception as error:
                if self.failed(item, attempt, clock, error) != RETRIED:
                    return None
            else:
                self.done(item, attempt, clock, artifact)
                return artifact
        return None

    @contextmanager
    def at_work(self, item: Item, attempt: Attempt, clock: float) -> Iterator[Callable[[], None]]:
        """Watch over an attempt; calling what is lent gives it its time anew."""
        self._current = (item, attempt, clock)
        with self.watchdog.watching() as again:
            yield again

    def _overdue(self, where: str) -> None:
        """Report the attempt that takes too long; the process ends after this."""
        assert self._current is not None, "the watchdog barks at work only"
        item, attempt, clock = self._current
        message = f"took longer than {self.job.timeouts[self.stage.name]:g} s (limits.timeouts.{self.stage.name})"
        event = self.event(
            item, TIMED_OUT, attempt=attempt, clock=clock, message=message, error_class="TimedOut", trace=where
        )
        self.report([event])
        self.attempts.end(item.fingerprint, attempt, TIMED_OUT, event.id)

    def begin(self, item: Item) -> Attempt | None:
        """Count an attempt and return it, or report ``gave_up`` and return None if the limit is reached."""
        past = self.attempts.past(item.fingerprint)
        charged = 0
        for attempt in past:
            outcome = attempt.outcome or self._found_dead(item, attempt)
            charged += outcome not in FREE
        if charged >= self.job.attempts or len(past) >= self.job.attempts + MOST_FREE:
            late = bool(past) and past[-1].outcome == TIMED_OUT
            message = f"given up after {charged} attempts; the last one " + (
                "took too long" if late else "took its worker with it"
            )
            given_up = self.event(item, GAVE_UP, attempt=past[-1], message=message)
            error_class = "TimedOut" if late else "WorkerDied"
            self.report([replace(given_up, attempt=charged, error_class=error_class)])
            return None
        return self.attempts.begin(item.fingerprint, self.name, self.node, time.time())

    def _found_dead(self, item: Item, attempt: Attempt) -> str:
        """Report an attempt that never ended; return its outcome."""
        gone = self.cluster is not None and self.cluster.is_gone(attempt.node)
        outcome, what = (PREEMPTED, "its machine went away") if gone else (DIED, "died")
        message = f"the worker {attempt.worker} was lost during attempt {attempt.number}: {what}"
        if not gone:
            message = f"the worker {attempt.worker} died during attempt {attempt.number}"
        lost = replace(self.event(item, outcome, attempt=attempt, message=message), worker=attempt.worker)
        event = replace(lost, node=attempt.node, error_class="Preempted" if gone else "WorkerDied")
        self.report([event])
        self.attempts.end(item.fingerprint, attempt, outcome, event.id)
        return outcome

    def done(self, item: Item, attempt: Attempt, clock: float, artifact: Artifact) -> None:
        """Report a success and forget the attempts."""
        self.report([self.event(item, DONE, attempt=attempt, clock=clock, artifact=artifact)])
        self.attempts.forget(item.fingerprint)

    def failed(self, item: Item, attempt: Attempt, clock: float, error: Exception) -> str:
        """Report an attempt that raised; return its outcome: retried, failed or gave_up.

        Raises:
            StorageError: if the error means that nothing can succeed.
            ElsewhereError: if another worker shall try it.
        """
        if isinstance(error, StorageError):
            raise error
        full = self._disk_full(error)
        if full:
            raise StorageError(full) from error
        charged = self.attempts.charged(item.fingerprint)
        outcome = RETRIED if charged < self.job.attempts else GAVE_UP
        spent = self.cluster is not None and device_lost(error)
        if isinstance(error, ItemError):
            outcome = FAILED
        elif spent:
            outcome = RETRIED  # by whoever comes after this worker, who gives it up if it was the last attempt
        event = self.event(item, outcome, attempt=attempt, clock=clock, error=error)
        if outcome == GAVE_UP:
            event = replace(event, attempt=charged)
        self.report([event])
        self.attempts.end(item.fingerprint, attempt, outcome, event.id)
        if self.cluster is not None and outcome == RETRIED:
            raise ElsewhereError(spent) from error
        return outcome

    def event(
        self,
        item: Item,
        outcome: str,
        *,
        attempt: Attempt | None = None,
        started: float | None = None,
        clock: float | None = None,
        artifact: Artifact | None = None,
        error: Exception | None = None,
        message: str = "",
        error_class: str = "",
        trace: str = "",
    ) -> Event:
        """Return an event about ``item``."""
        begun = attempt.started if attempt else (started or time.time())
        event = Event(
            stage=self.stage.name,
            outcome=outcome,
            video=item.video,
            chunk=item.chunk,
            source=item.source,
            plan=item.plan,
            fingerprint=item.fingerprint,
            attempt=attempt.number if attempt else 0,
            worker=self.name,
            node=self.node,
            started=moment(begun),
            seconds=since(clock) if clock is not None else 0.0,
            bytes=artifact.size if artifact else 0,
            message=message,
            error_class=error_class,
            traceback=trace[-LONGEST_TRACEBACK:],
            facts=facts_json(artifact.facts if artifact else {}),
        )
        if error is None:
            return event
        text = "".join(traceback.format_exception(error))
        return replace(
            event, error_class=type(error).__name__, message=line(error), traceback=text[-LONGEST_TRACEBACK:]
        )

    def _disk_full(self, error: Exception) -> str:
        where = self.workspace.url
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return f"{where}: the disk is full; free some space and run the same line again"
        # A tool in a process of its own (ffmpeg) says it in its own words.
        free = self.workspace.free_bytes()
        if free < LOW_DISK and not isinstance(error, ItemError):
            return f"{where}: {free >> 20} MiB are left on the disk; free some space and run the same line again"
        return ""


class ChunkWorker(Worker):
    """Wraps flow, sample or decode."""

    def run(self, row: ChunkRow) -> ChunkRow:
        """Take one chunk through the stage; a chunk that failed before passes untouched.

        Raises:
            StorageError: see ``Worker.settle``.
        """
        if row.failed:
            return row
        name = self.stage.name
        prints = self.job.recipe.chunk(row.sha256, row.chunk)
        plan = self.job.recipe.plan(row.sha256)[name]
        item = Item(prints[name], plan, row.chunk.video, row.chunk.index)

        def make(folder: Path) -> Artifact:
            with ExitStack() as stack:
                inputs = {}
                for source in INPUTS[name]:
                    inputs[source] = self.artifacts.fetch(source, prints[source])
                    stack.callback(self.artifacts.release, inputs[source])
                result = self.stage.run(ChunkTask(row.chunk, inputs, folder))
            return self.artifacts.commit(name, prints[name], folder, result.facts)

        artifact = self.settle(item, lambda: self.artifacts.lookup(name, prints[name]), make)
        return row if artifact is not None else replace(row, failed=name)


def line(error: BaseException) -> str:
    """Return an exception's message as one line; its class, if it has no message."""
    return " ".join(str(error).split()) or type(error).__name__


def facts_json(facts: Mapping[str, Fact]) -> str:
    """Return facts as one line of JSON."""
    return json.dumps(dict(facts), sort_keys=True)
