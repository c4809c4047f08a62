"""The accounting of attempts: what is charged to an item, how each attempt ended, and when the item is given up."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from models.reductions import Reduction
from pipeline.artifacts import Artifact
from pipeline.attempts import Attempt
from pipeline.events import Item, Reason, Report, Witness
from pipeline.faults import device_lost
from pipeline.job import Job
from pipeline.schemas import DIED, DONE, EVICTED, FAILED, FREE, GAVE_UP, PREEMPTED, REDUCED, RETRIED, TIMED_OUT, Event
from pipeline.storage_errors import StorageError, full
from pipeline.workspace import Workspace
from stages.contract import ItemError

LOW_DISK = 16 << 20
OUT_OF_MEMORY = "OutOfMemory"
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


class Accounts:
    """The attempts of one worker, and what it finds of others'.

    Args:
        job: the run.
        workspace: where attempts are counted.
        witness: the worker.
        report: takes the events.
        cluster: what there is besides this worker; None: nothing, it is alone.
    """

    def __init__(
        self, job: Job, workspace: Workspace, witness: Witness, report: Report, cluster: Cluster | None
    ) -> None:
        self.job, self.workspace, self.witness, self.report, self.cluster = job, workspace, witness, report, cluster
        self.attempts = workspace.attempts(job.epoch)
        self.lost: Mapping[str, str] = {}
        """Worker -> why, of those that were ended to save memory with the row of now in hand: EVICTED, or OUT_OF_MEMORY
        if the row was to blame."""

    def begin(self, item: Item) -> Attempt | None:
        """Count an attempt and return it; None if the item failed for good, which is reported unless it was already."""
        witness = self.witness
        first = self.attempts.first(item.fingerprint, witness.worker, witness.node, time.time())
        if first:
            return first
        past = self.attempts.past(item.fingerprint)
        charged = 0
        for attempt in past:
            outcome = attempt.outcome or self._found_dead(item, attempt)
            charged += outcome not in FREE
        told = (FAILED, GAVE_UP, TIMED_OUT) if charged >= self.job.attempts else (FAILED,)
        if past[-1].outcome in told:
            return None  # whoever made the last attempt has told why
        if charged >= self.job.attempts or len(past) >= self.job.attempts + MOST_FREE:
            event = self.witness.event(item, GAVE_UP, attempt=past[-1], reason=self._why_given_up(past, charged))
            self.report([replace(event, attempt=charged)])
            return None
        return self.attempts.begin(item.fingerprint, witness.worker, witness.node, time.time(), after=len(past))

    def _why_given_up(self, past: Sequence[Attempt], charged: int) -> Reason:
        if charged < self.job.attempts:
            free = len(past) - charged
            return Reason("Preempted", f"given up after {len(past)} attempts, {free} of them cut short from outside")
        error_class, how = "WorkerDied", "took its worker with it"
        if past[-1].worker in self.lost and not past[-1].outcome:
            error_class, how = OUT_OF_MEMORY, "ran out of memory, and Ray ended its worker"
        return Reason(error_class, f"given up after {charged} attempts; the last one {how}")

    def done(self, item: Item, attempt: Attempt, clock: float, artifact: Artifact, outcome: str = DONE) -> None:
        """Report a success and forget the attempts."""
        self.report([self.witness.event(item, outcome, attempt=attempt, clock=clock, artifact=artifact)])
        self.attempts.forget(item.fingerprint, attempt)

    def failed(self, item: Item, attempt: Attempt, clock: float, error: Exception) -> str:
        """Report an attempt that raised; return its outcome: retried, failed or gave_up.

        Raises:
            StorageError: if the error means that nothing can succeed.
            ElsewhereError: if another worker shall have it: for the next attempt, or, where this one can work no more,
                to find it given up.
        """
        if isinstance(error, StorageError):
            raise error
        no_room = self._disk_full(error)
        if no_room:
            raise StorageError(no_room) from error
        charged = self.attempts.charged(item.fingerprint)
        outcome = RETRIED if charged < self.job.attempts else GAVE_UP
        spent = self.cluster is not None and device_lost(error)
        if isinstance(error, ItemError):
            outcome = FAILED
        event = self.witness.event(item, outcome, attempt=attempt, clock=clock, reason=Reason.of(error))
        self._end(item, attempt, replace(event, attempt=charged) if outcome == GAVE_UP else event)
        if self.cluster is not None and (spent or outcome == RETRIED):
            raise ElsewhereError(spent) from error
        return outcome

    def overdue(self, item: Item, attempt: Attempt, clock: float, where: str) -> None:
        """Report an attempt that takes too long, and the item as given up if it was the last; ``where`` it hangs."""
        stage = self.witness.stage
        message = f"took longer than {self.job.timeouts[stage]:g} s (limits.timeouts.{stage})"
        reason = Reason("TimedOut", message, where)
        events = [self.witness.event(item, TIMED_OUT, attempt=attempt, clock=clock, reason=reason)]
        charged = self.attempts.charged(item.fingerprint)
        if charged >= self.job.attempts:
            reason = replace(reason, message=f"given up after {charged} attempts; the last one took too long")
            given_up = self.witness.event(item, GAVE_UP, attempt=attempt, reason=reason)
            events.append(replace(given_up, attempt=charged))
        self.report(events)
        # Not as given up: whoever looks for attempts that ended with their worker must find this one.
        self.attempts.end(item.fingerprint, attempt, TIMED_OUT, events[0].id)

    def reduced(self, item: Item, attempt: Attempt, found: Sequence[Reduction]) -> None:
        """Report what an attempt did with less when memory was short; nothing is charged for it."""
        for each in found:
            reason = Reason(each.error, str(each))
            self.report([self.witness.event(item, REDUCED, attempt=attempt, reason=reason)])

    def _found_dead(self, item: Item, attempt: Attempt) -> str:
        """Report an attempt that never ended; return its outcome."""
        if self.cluster is not None and self.cluster.is_gone(attempt.node):
            outcome, error_class = PREEMPTED, "Preempted"
            what = f"was lost during attempt {attempt.number}: its machine went away"
        elif self.cluster is None and self.attempts.waited(attempt):
            outcome, error_class = PREEMPTED, "Preempted"
            what = f"died at another item while attempt {attempt.number} waited"
        elif why := self.lost.get(attempt.worker):
            outcome, error_class = EVICTED if why == EVICTED else DIED, OUT_OF_MEMORY
            what = f"was ended by Ray during attempt {attempt.number}: its machine ran out of memory"
        else:
            outcome, error_class, what = DIED, "WorkerDied", f"died during attempt {attempt.number}"
        dead = Witness(self.witness.stage, attempt.worker, attempt.node)
        reason = Reason(error_class, f"the worker {attempt.worker} {what}")
        self._end(item, attempt, dead.event(item, outcome, attempt=attempt, reason=reason))
        return outcome

    def _end(self, item: Item, attempt: Attempt, event: Event) -> None:
        self.report([event])
        self.attempts.end(item.fingerprint, attempt, event.outcome, event.id)

    def _disk_full(self, error: Exception) -> str:
        """Say it in one line if the disk that stages write to is full, "" if not."""
        where, why = str(self.workspace.scratch_root), full(error)
        if self.cluster is not None:
            where += f" on {self.witness.node.partition('/')[0]}"
        if why:
            return f"{where}: {why}"
        # Not everything says so that writes there.
        free = self.workspace.free_bytes()
        if free < LOW_DISK and not isinstance(error, ItemError):
            return f"{where}: {free >> 20} MiB are left on the disk; free some space and run the same line again"
        return ""
