"""What a worker tells the driver of an item: the making of events."""

from __future__ import annotations

import json
import os
import platform
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pipeline.artifacts import Artifact
from pipeline.attempts import Attempt
from pipeline.faults import line
from pipeline.places import without_secrets
from pipeline.schemas import Event, Record, moment, since

Report = Callable[[Sequence[Record]], None]
"""Takes rows for the manifest. Returns when they are in the driver's hands."""

LONGEST_TRACEBACK = 20_000


def process_name() -> str:
    """This process, as events name workers: host and number."""
    return f"{platform.node()}:{os.getpid()}"


@dataclass(frozen=True, slots=True)
class Item:
    """What an attempt is charged to, and events are about; ``output``: the folder that it is published in, if it is."""

    fingerprint: str
    plan: str
    video: str
    chunk: int = -1
    source: str = ""
    output: str = ""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why an attempt came to nothing."""

    error_class: str = ""
    message: str = ""
    traceback: str = ""

    @classmethod
    def of(cls, error: Exception) -> Reason:
        """Return what an exception says, and what caused it, without what URLs carry."""
        told = "".join(traceback.format_exception(error))
        return cls(type(error).__name__, without_secrets(line(error)), without_secrets(told))


@dataclass(frozen=True, slots=True)
class Witness:
    """A worker, as events name it.

    Attributes:
        stage: name of its stage.
        worker: host and process.
        node: the machine.
    """

    stage: str
    worker: str
    node: str

    def event(
        self,
        item: Item,
        outcome: str,
        *,
        attempt: Attempt | None = None,
        started: float | None = None,
        clock: float | None = None,
        artifact: Artifact | None = None,
        reason: Reason = Reason(),
    ) -> Event:
        """Return an event about ``item``.

        Args:
            item: what it is about.
            outcome: see ``schemas.SETTLED``.
            attempt: the attempt that ended; None: none was needed.
            started: seconds since 1970, where there is no attempt; default: now.
            clock: ``time.perf_counter`` at the start; None: it took no time.
            artifact: what was made or found.
            reason: why nothing was.
        """
        facts = {**(artifact.facts if artifact else {}), **({"output": item.output} if item.output else {})}
        begun = attempt.started if attempt else (started or time.time())
        return Event(
            stage=self.stage,
            outcome=outcome,
            video=item.video,
            chunk=item.chunk,
            source=item.source,
            plan=item.plan,
            fingerprint=item.fingerprint,
            attempt=attempt.number if attempt else 0,
            worker=self.worker,
            node=self.node,
            started=moment(begun),
            seconds=since(clock) if clock is not None else 0.0,
            bytes=artifact.size if artifact else 0,
            error_class=reason.error_class,
            message=reason.message,
            traceback=reason.traceback[-LONGEST_TRACEBACK:],
            facts=json.dumps(facts, sort_keys=True),
        )
