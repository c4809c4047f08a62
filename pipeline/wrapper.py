"""The one wrapper around a stage: look up, count the attempt, time it, turn exceptions into failed rows, commit.

The order of steps, and what a crash after each of them leaves:

1. look up the artifact; if it is whole, the item is ``reused``. Otherwise set the stage up, unless it is.
2. count the attempt. Crash: one attempt is charged to this item, to no other.
3. run the stage into a scratch folder. Crash: the folder is left, and swept by the next run.
4. commit (see ``artifacts``).
5. report ``done``. Crash: the artifact is there without its event; the next run reports ``reused``.
6. forget the attempts. Crash: a few stale markers, cleared at the end of the run.
"""

from __future__ import annotations

import platform
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from models.reductions import noting
from pipeline.accounting import Accounts, Cluster
from pipeline.artifacts import Artifact
from pipeline.attempts import Attempt
from pipeline.events import Item, Report, Witness, process_name
from pipeline.faults import line
from pipeline.job import Job
from pipeline.schemas import DAMAGED, DONE, RETRIED, REUSED, Event
from pipeline.watchdog import Unwatched, Watchdog
from pipeline.workspace import Workspace
from stages.contract import Stage


class SetupError(Exception):
    """A stage cannot be set up (missing weights, no such device): no item of it can ever work. One line."""


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
        self.stage, self.job, self.report = stage, job, report
        self._ready = False
        self._current: tuple[Item, Attempt, float] | None = None
        limit = job.timeouts.get(stage.name)
        self.watchdog = Unwatched() if limit is None else Watchdog(limit, self._overdue)
        self.witness = Witness(stage.name, process_name(), node or platform.node())
        self.workspace = Workspace(job.workspace, job.scratch)
        self.accounts = Accounts(job, self.workspace, self.witness, report, cluster)
        self.workspace.sweep(job.epoch)
        self._downloads = self.workspace.scratch_folder(job.epoch)
        self.artifacts = self.workspace.artifacts(self._downloads, job.verify, self.damaged)

    def setup(self) -> None:
        """Set the stage up, unless it is: beforehand, where others work meanwhile, or at the first item to be made.

        Raises:
            SetupError: if the stage raises anything.
        """
        if self._ready:
            return
        try:
            self.stage.setup()
            self._ready = True
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
        worker, node = self.witness.worker, self.witness.node
        self.report([Event(stage, DAMAGED, fingerprint=fingerprint, message=what, worker=worker, node=node)])

    def settle(
        self,
        item: Item,
        find: Callable[[], Artifact | None],
        make: Callable[[Path], Artifact],
        before: Artifact | None = None,
    ) -> Artifact | None:
        """Find the item's artifact or make it, within the limit of attempts.

        Args:
            item: what is charged.
            find: returns the artifact if it is committed and whole.
            make: runs the stage into the given scratch folder and commits.
            before: what there is already; if ``make`` returns that, nothing was made.

        Returns:
            The artifact, or None if the item failed for good; the events are reported.

        Raises:
            SetupError: see ``setup``.
            StorageError: if the disk is full or permission is denied: no item could succeed.
        """
        started = time.time()
        clock = time.perf_counter()
        artifact = find()
        if artifact is not None:
            self.report([self.witness.event(item, REUSED, started=started, clock=clock, artifact=artifact)])
            return artifact
        self.setup()
        while attempt := self.accounts.begin(item):
            clock = time.perf_counter()
            try:
                with self.at_work(item, attempt, clock), self.workspace.scratch(self.job.epoch) as folder:
                    artifact = make(folder)
            except Exception as error:
                if self.accounts.failed(item, attempt, clock, error) != RETRIED:
                    return None
            else:
                outcome = REUSED if artifact == before else DONE
                self.accounts.done(item, attempt, clock, artifact, outcome)
                return artifact
        return None

    @contextmanager
    def at_work(self, item: Item, attempt: Attempt, clock: float) -> Iterator[None]:
        """Watch over an attempt, and tell what it made smaller because memory was short."""
        self._current = (item, attempt, clock)
        with noting() as reduced:
            try:
                with self.watchdog.watching():
                    yield
            finally:
                self.accounts.reduced(item, attempt, reduced)

    def _overdue(self, where: str) -> None:
        """Report the attempt that takes too long; the process ends after this."""
        assert self._current is not None, "the watchdog barks at work only"
        self.accounts.overdue(*self._current, where)
