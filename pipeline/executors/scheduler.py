"""Sends rows through the pools: from stage to stage, to another worker after a failure, to the driver at the end.

Why this is not Ray Data: its pools give a row that failed, or whose worker died, to the same actor again; do not say
whether a worker died or its machine went away; shrink a pool as soon as it is idle; and a row costs its scheduler
milliseconds (docs/scale.md has the figures).
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import ray

from pipeline.driver import Driver
from pipeline.executors.actors import StageActor
from pipeline.executors.alone import Alone
from pipeline.executors.base import StageFactory
from pipeline.executors.deaths import DEATHS, ran_short, why_lost
from pipeline.executors.metrics import Metrics
from pipeline.executors.nodes import free, is_gone
from pipeline.executors.pace import coming_to, fit_to_pace
from pipeline.executors.pool import Hand, Pool, Task
from pipeline.executors.sizing import Share
from pipeline.fingerprint import CHUNK_STAGES, STAGES
from pipeline.job import Job
from pipeline.rows import AgainRow, ChunkRow, FatalRow, Row, SourceRow, pack, source_of, unpack
from pipeline.schemas import DONE, Event, Record
from pipeline.storage import StorageError
from pipeline.wrapper import SetupError

SILENCE_SECONDS = 600.0
NOTHING_MOVES = (
    "no stage has reported for %d minutes; free in the cluster: %s; if the pools ask for more than it can ever have, "
    "change pools.* and start again"
)
TURN_SECONDS = 0.5
RESIZE_SECONDS = 1.0
CHUNK_BYTES = 100_000
"""What a chunk takes of a source at least, a second of SD sparingly coded: so many are expected before it is split."""
KINDS = {"split": "split", "assemble": "assemble"}
AFTER = {"split": "flow", "flow": "sample", "sample": "decode"}
log = logging.getLogger(__name__)


class Scheduler:
    """Takes sources through all stages.

    Args:
        stages: name -> factory.
        job: the run.
        collector: handle of the collector.
        sizes: name -> size of the stage's pool.
        driver: takes records, and rows that are at their end.
    """

    actor: type = StageActor

    def __init__(
        self,
        stages: Mapping[str, StageFactory],
        job: Job,
        collector: Any,
        sizes: Mapping[str, Share],
        driver: Driver,
    ) -> None:
        self.job, self.collector, self.driver = job, collector, driver
        self.pools = {stage: self._pool(stage, stages[stage], sizes[stage]) for stage in STAGES}
        self.alone = Alone(self.pools)
        self.metrics = Metrics()
        self._left: set[str] = set()
        self._seen: dict[str, set[int]] = defaultdict(set)
        self._videos: dict[str, str] = {}
        self._drain = collector.drain.remote(TURN_SECONDS)
        self._stopping = False
        self._moved = self._resized = time.monotonic()

    def run(self, sources: Sequence[SourceRow]) -> None:
        """Return when all sources are settled.

        Raises:
            SetupError, StorageError, FencedError: see ``Executor.execute``.
        """
        self._left = {source.shown for source in sources}
        for source in sources:
            self.pools["split"].submit(Task(pack(source), chunks=1 + max(0, source.size) // CHUNK_BYTES))
        for pool, coming in coming_to(self.pools, len(self._left)):
            pool.resize(coming)
        while True:
            while self._busy():
                self._turn()
            # What the last workers reported may still lie with the collector, chunks among it.
            self._take(*ray.get(self._drain))
            self._take(*ray.get(self.collector.drain.remote(0.0)))
            if not self._busy():
                return
            self._drain = self.collector.drain.remote(TURN_SECONDS)

    def close(self) -> None:
        """End all workers."""
        for pool in self.pools.values():
            for hand in list(pool.hands):
                pool.end(hand)

    def _busy(self) -> bool:
        if self.driver.stop:
            self._stop()
        return any(pool.waiting or any(hand.tasks for hand in pool.hands) for pool in self.pools.values())

    def _stop(self) -> None:
        """Begin nothing more: what waits is left to the next run."""
        if not self._stopping:
            self._stopping = True
            ray.get(self.collector.stop.remote())
        for pool in self.pools.values():
            pool.waiting.clear()

    def _turn(self) -> None:
        """Give out what can be given out, wait for something to happen, and take note of all that has."""
        closed = self.alone.step()
        for pool in self.pools.values():
            pool.assign(closed)
        owners = {reference: pool for pool in self.pools.values() for reference in pool.references()}
        references = [self._drain, *owners]
        if not ray.wait(references, num_returns=1, timeout=TURN_SECONDS)[0]:
            self._complain()
        ready, _ = ray.wait(references, num_returns=len(references), timeout=0)
        for reference in ready:
            self._moved = time.monotonic()
            if reference == self._drain:
                self._drained()
            else:
                self._answered(owners[reference], reference)
        if time.monotonic() - self._resized > RESIZE_SECONDS:
            self._resize()

    def _drained(self) -> None:
        try:
            records, scratch = ray.get(self._drain)
        except DEATHS as error:
            raise StorageError(why_lost(error)) from error
        self._drain = self.collector.drain.remote(TURN_SECONDS)
        self._take(records, scratch)

    def _answered(self, pool: Pool, reference: Any) -> None:
        hand = next((hand for hand in pool.hands if reference == hand.started or reference in hand.tasks), None)
        if hand is None:  # ended a moment ago
            return
        try:
            answer = ray.get(reference)
        except DEATHS as error:
            self._died(pool, hand, error)
            return
        if reference == hand.started:
            hand.started, hand.idle = None, time.monotonic()
            hand.node, hand.worker = answer
            return
        task, hand.idle = hand.tasks.pop(reference), time.monotonic()
        row = unpack(answer)
        if isinstance(row, AgainRow):
            if row.tried:
                task.avoid.add(id(hand))
            pool.submit(task, again=True)
            if row.spent:
                for left in pool.end(hand):
                    pool.submit(left, again=True)
        else:
            pool.deaths = 0
            self._route(row, pool.stage)

    def _died(self, pool: Pool, hand: Hand, error: Exception) -> None:
        """Put back what a dead worker had in hand, and start its successor."""
        log.debug("a %s worker died: %s", pool.stage, error)
        patience = (self.job.attempts + 3) * len(pool.hands)
        if short := ran_short(error):
            self.alone.blame(pool, hand)
        for task in pool.end(hand):
            task.avoid.add(id(hand))
            pool.submit(task, again=True)
        # The wrapper gives an item up that kills its workers, unless they die before they get as far as counting.
        pool.deaths += not is_gone(hand.node) and not (short and hand.ready)
        if pool.deaths > patience:
            raise SetupError(f"{pool.stage} workers die before they have done anything; see Ray's logs")
        pool.resize()

    def _route(self, row: Row, stage: str) -> None:
        if isinstance(row, ChunkRow) and not row.failed and stage in AFTER:
            self.pools[AFTER[stage]].submit(Task(pack(row)))
            return
        assemble = self.driver.receive(row)
        if assemble:
            self.pools["assemble"].submit(Task(pack(assemble)))
        source = source_of(row)
        if source in self.driver.states:
            self._left.discard(source)
            self._seen.pop(source, None)
            self.collector.release.remote(self._videos.pop(source, ""))

    def _take(self, values: Sequence[Record | Row], scratch: int) -> None:
        """Take what the workers reported: records, and the chunks of videos that are being split."""
        self.metrics.count(values, self.pools)
        self.metrics.show(self.pools, scratch)
        records: list[Record] = []
        for value in values:
            if isinstance(value, FatalRow):
                self.driver.receive(value)
            elif isinstance(value, ChunkRow):
                # A split that was broken off and repeated sends its first chunks twice.
                if value.chunk.index not in self._seen[value.source] and value.source not in self.driver.states:
                    self._seen[value.source].add(value.chunk.index)
                    self._videos[value.source] = value.chunk.video
                    self._route(value, "split")
            elif not isinstance(value, Row):
                records.append(value)
                self._measure(value)
        self.driver.record(records)

    def _measure(self, record: Record) -> None:
        if isinstance(record, Event) and record.outcome == DONE:
            pool = self.pools[record.stage]
            pool.done, pool.seconds = pool.done + (record.chunk >= 0), pool.seconds + record.seconds

    def _resize(self) -> None:
        self._resized = time.monotonic()
        fit_to_pace(self.pools)
        # Machines that have gone leave less room than the pools were made for.
        starving = next((pool for pool in self.pools.values() if pool.starves()), None)
        for pool, coming in coming_to(self.pools, len(self._left)):
            pool.resize(coming, starving is None or starving is pool or pool.share.is_apart(starving.share))

    def _complain(self) -> None:
        """Say so when it takes long, because a cluster may never have what a pool asks for."""
        if time.monotonic() - self._moved >= SILENCE_SECONDS:
            self._moved = time.monotonic()
            log.warning(NOTHING_MOVES, SILENCE_SECONDS // 60, free())

    def _pool(self, stage: str, factory: StageFactory, share: Share) -> Pool:
        kind = KINDS.get(stage, "chunk")
        named = type(f"{stage.capitalize()}Worker", (self.actor,), {})  # so that process lists and Ray's pages tell

        def spawn(options: dict[str, Any]) -> Any:
            remote = ray.remote(**options, max_restarts=0, max_task_retries=0)(named)
            return remote.remote(kind, factory, self.job, self.collector)

        return Pool(stage, spawn, share, depth=2 if stage in CHUNK_STAGES else 1)
