"""One small actor between the workers and the driver: it takes records, and holds split back.

Workers hand their records over and wait until they are taken, so a record is in the driver's reach before its row moves
on. The driver drains them. Split asks for admission before each chunk.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import ray

from pipeline.events import Report
from pipeline.rows import ChunkRow, FatalRow
from pipeline.schemas import Event, Record
from pipeline.stopping import Stopped
from pipeline.tally import GOOD, Tally

STALLED_SECONDS = 600.0
GATHER_SECONDS = 0.02


class Collector:
    """The actor's class.

    Args:
        ahead: chunks that split may be ahead of decode.
        scratch_bytes: space for the artifacts of videos that are under way; None: no bound.
    """

    def __init__(self, ahead: int, scratch_bytes: int | None = None) -> None:
        self.ahead, self.scratch_bytes = ahead, scratch_bytes
        self._bytes: Counter[str] = Counter()
        self._whole: set[str] = set()
        self._tally = Tally()
        self._waiting: list[Record | FatalRow | ChunkRow] = []
        self._news = asyncio.Condition()
        self._moved = time.monotonic()
        self._stopping = False

    async def put(self, records: Sequence[Record | FatalRow | ChunkRow]) -> None:
        """Take records from a worker."""
        async with self._news:
            self._waiting += records
            for record in records:
                if isinstance(record, Event) and self._tally.add(record):
                    self._moved = time.monotonic()
                    if record.chunk >= 0:
                        self._bytes[record.video] += record.bytes
                    elif record.stage == "split" and record.outcome in GOOD:
                        self._whole.add(record.video)
            self._news.notify_all()

    async def drain(self, seconds: float) -> tuple[list[Record | FatalRow | ChunkRow], int]:
        """Return what was put since the last call; wait for the first of it, but not longer than ``seconds``.

        And the space that the artifacts of videos under way take, in bytes.
        """
        async with self._news:
            if not self._waiting:
                try:
                    await asyncio.wait_for(self._news.wait_for(lambda: bool(self._waiting)), seconds)
                except TimeoutError:
                    return [], self._bytes.total()
        if seconds:  # one answer for all that comes within a moment costs the driver half as much
            await asyncio.sleep(GATHER_SECONDS)
        async with self._news:
            taken, self._waiting = self._waiting, []
            return taken, self._bytes.total()

    async def admit(self) -> bool:
        """Return when split may make another chunk (True), or when the run is to stop (False).

        If nothing at all has moved for ten minutes it returns anyway: too much on the disk is better than a deadlock.
        So it does where the space is used up and nothing is on its way that could give some back: a video that takes
        more than all of it goes on, a chunk at a time.
        """
        async with self._news:
            while self._must_wait() and time.monotonic() - self._moved < STALLED_SECONDS:
                try:
                    await asyncio.wait_for(self._news.wait(), 5.0)
                except TimeoutError:
                    continue
        return not self._stopping

    async def stop(self) -> None:
        """Let no worker begin another item."""
        async with self._news:
            self._stopping = True
            self._news.notify_all()

    async def stopping(self) -> bool:
        """Return whether the run is to stop."""
        return self._stopping

    async def release(self, video: str) -> None:
        """Forget the space that a video took: it is published, or has failed."""
        async with self._news:
            self._bytes.pop(video, None)
            self._whole.discard(video)
            self._news.notify_all()

    def _must_wait(self) -> bool:
        flying = self._in_flight()
        full = self.scratch_bytes is not None and self._bytes.total() >= self.scratch_bytes
        # A video that has all its chunks is on its way as well: it gives its space back when it is published.
        coming = flying > 0 or any(video in self._bytes for video in self._whole)
        return not self._stopping and (flying >= self.ahead or (full and coming))

    def _in_flight(self) -> int:
        tally = self._tally
        settled = tally.done("decode") + tally.failed("decode") + tally.failed("flow") + tally.failed("sample")
        return tally.known() - settled


def start_collector(ahead: int, scratch_bytes: int | None = None) -> Any:
    """Start the actor on the driver's own machine, so that it lives as long as the driver."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    # Several calls per chunk and stage: Ray need not keep a record of each.
    options = {"num_cpus": 0, "max_concurrency": 10_000, "enable_task_events": False}
    actor = ray.remote(**options, scheduling_strategy=here)(Collector)
    return actor.remote(ahead, scratch_bytes)


def reporter(collector: Any) -> Report:
    """Return a function that hands records to the collector and waits until they are taken."""

    def report(records: Sequence[Record]) -> None:
        ray.get(collector.put.remote(list(records)))

    return report


def gate(collector: Any) -> Callable[[], None]:
    """Return a function that waits until split may make another chunk; it raises ``Stopped`` if the run is to stop."""

    def admit() -> None:
        if not ray.get(collector.admit.remote()):
            raise Stopped

    return admit
