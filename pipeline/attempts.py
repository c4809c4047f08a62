"""Attempts, counted before they start.

A worker writes ``attempts/<epoch>/<fp>/<n>.json`` (put-if-absent) before it starts on an item. If the item kills it,
the marker is all that is left, and whoever gets the item next counts it. Nothing but the item's own fingerprint is
charged, so no neighbour loses an attempt.

Only markers of the running driver's epoch are counted. When a driver dies, or its machine, all its workers die with it
in the middle of innocent items; their markers belong to an epoch that is over and weigh nothing. It follows that a new
run gives every item that failed before a full set of attempts.

An attempt that ends by itself is written down in its marker (``end``), so that a marker without an end means: the
worker died, or its machine went away. Markers are not flushed to disk: they outlive a process, and after a power cut
the epoch is over anyway.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace

from pipeline.schemas import FREE, TIMED_OUT
from pipeline.storage import Storage

ROOT, CLAIMS = "attempts", "claims"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt at an item.

    Attributes:
        number: counted from 1.
        worker: host and process that made it.
        node: the machine.
        started: seconds since 1970.
        outcome: "" while it runs and for ever if the worker died; otherwise how it ended.
        event: id of the event that reported its end.
    """

    number: int
    worker: str
    node: str
    started: float
    outcome: str = ""
    event: str = ""


class Attempts:
    """The attempts made under one driver epoch."""

    def __init__(self, storage: Storage, epoch: int) -> None:
        self.storage, self.epoch = storage, epoch

    def past(self, fingerprint: str) -> list[Attempt]:
        """Return all attempts at an item so far, in order."""
        folder = self._folder(fingerprint)
        found = []
        for name in self.storage.names(folder):
            try:
                found.append(Attempt(**json.loads(self.storage.read(f"{folder}/{name}"))))
            except (FileNotFoundError, ValueError, TypeError):
                # A marker that cannot be read was written all the same, so it counts.
                found.append(Attempt(int(name.partition(".")[0]), "?", "?", 0.0))
        return sorted(found, key=lambda attempt: attempt.number)

    def first(self, fingerprint: str, worker: str, node: str, started: float) -> Attempt | None:
        """Count the first attempt at an item and return it; None if there was one before. Nothing is looked up."""
        attempt = Attempt(1, worker, node, started)
        new = self.storage.put_if_absent(self._name(fingerprint, 1), _json(attempt), durable=False)
        return attempt if new else None

    def begin(self, fingerprint: str, worker: str, node: str, started: float, after: int | None = None) -> Attempt:
        """Count a new attempt and return it. When this returns, the count is written.

        Args:
            fingerprint: of the item.
            worker: see ``Attempt``.
            node: see ``Attempt``.
            started: see ``Attempt``.
            after: number of attempts before it, where that is known already; looking it up costs a request.
        """
        number = (len(self.storage.names(self._folder(fingerprint))) if after is None else after) + 1
        while True:
            attempt = Attempt(number, worker, node, started)
            if self.storage.put_if_absent(self._name(fingerprint, number), _json(attempt), durable=False):
                return attempt
            number += 1

    def end(self, fingerprint: str, attempt: Attempt, outcome: str, event: str) -> None:
        """Write down that an attempt ended by itself."""
        done = replace(attempt, outcome=outcome, event=event)
        self.storage.put(self._name(fingerprint, attempt.number), _json(done), durable=False)

    def charged(self, fingerprint: str) -> int:
        """Return how many attempts at an item count against the limit; one that runs does."""
        return sum(attempt.outcome not in FREE for attempt in self.past(fingerprint))

    def forget(self, fingerprint: str, last: Attempt) -> None:
        """Remove the markers of an item that is done, ``last`` being its last attempt."""
        if self.storage.is_local:
            self.storage.remove(self._folder(fingerprint))
            return
        for number in range(1, last.number + 1):  # an object store has no folders; what is known need not be listed
            self.storage.remove_file(self._name(fingerprint, number))

    def claim(self, plan: str, owner: str) -> bool:
        """Claim a video for ``owner`` (its source), so that a second source with the same content waits its turn.

        Returns whether ``owner`` holds the claim, now or from an attempt before.
        """
        name = f"{ROOT}/{self.epoch}/{CLAIMS}/{plan}"
        return self.storage.put_if_absent(name, owner.encode(), durable=False) or (
            self.storage.read(name).decode() == owner
        )

    def died_before(self) -> bool:
        """Whether a driver before this one came to its end in the middle of an attempt."""
        earlier = [int(name) for name in self.storage.names(ROOT) if name.isdigit() and int(name) < self.epoch]
        return any(any(Attempts(self.storage, epoch)._cut_short()) for epoch in earlier)

    def waited(self, attempt: Attempt) -> bool:
        """Whether the worker of an attempt was at another one, begun later, when it died or was ended."""
        return any(each.worker == attempt.worker and each.started > attempt.started for each in self._cut_short())

    def clear(self) -> None:
        """Remove what this and all earlier epochs counted."""
        for name in self.storage.names(ROOT):
            if name.isdigit() and int(name) <= self.epoch:
                self.storage.remove(f"{ROOT}/{name}")

    def _cut_short(self) -> Iterator[Attempt]:
        """Yield the attempts that did not end by themselves, so far as they have not been told of."""
        for fingerprint in self.storage.names(f"{ROOT}/{self.epoch}"):
            if fingerprint != CLAIMS:
                yield from (attempt for attempt in self.past(fingerprint) if attempt.outcome in ("", TIMED_OUT))

    def _folder(self, fingerprint: str) -> str:
        return f"{ROOT}/{self.epoch}/{fingerprint}"

    def _name(self, fingerprint: str, number: int) -> str:
        return f"{self._folder(fingerprint)}/{number}.json"


def _json(attempt: Attempt) -> bytes:
    return json.dumps(asdict(attempt)).encode()
