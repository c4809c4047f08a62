"""The Ray Data stream: rows go through one actor pool per stage, in a thread beside the driver's.

What is set here, and why (Ray 2.60):

* Rows leave a pool one by one (``target_max_block_size`` of 1 byte): by default Ray Data would gather 128 MiB of rows,
  and a long film would be split to its end before flow saw its first chunk.
* A row that kills its actor is sent to the next one, for ever. The wrapper counts attempts before it starts and gives
  the item up at the limit, so "for ever" ends there.
* There is no time limit on progress (default 30 minutes): one chunk may take longer.
* Two rows are in flight per actor: one at work, one waiting. Below 1.75 Ray Data would never let a pool grow.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

import ray
from ray.data import ActorPoolStrategy, DataContext

from pipeline.executors.actors import StageActor
from pipeline.executors.base import StageFactory
from pipeline.executors.sizing import Share
from pipeline.fingerprint import CHUNK_STAGES
from pipeline.rows import FatalRow, SourceRow, pack
from pipeline.wrapper import Job, line

STOP_SECONDS = 30.0
log = logging.getLogger(__name__)


class Stream:
    """Sends the sources through all pools.

    Args:
        sources: the rows to begin with.
        stages: name -> factory.
        job: the run.
        collector: handle of the collector.
        sizes: name -> size of the stage's pool.
        arrivals: gets (``row``, packed row) for each row that comes out, then ``end``.
    """

    def __init__(
        self,
        sources: Sequence[SourceRow],
        stages: Mapping[str, StageFactory],
        job: Job,
        collector: Any,
        sizes: Mapping[str, Share],
        arrivals: queue.Queue[Any],
    ) -> None:
        self._sources, self._arrivals = sources, arrivals
        self._pools = [
            (sizes[stage], ("split" if stage == "split" else "chunk", stages[stage], job, collector))
            for stage in ("split", *CHUNK_STAGES)
        ]
        self._dataset: Any = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """End the stream early, with all its actors, and wait until its threads are gone.

        Ray crashes the whole process if it is shut down while another thread calls it.
        """
        deadline = time.monotonic() + STOP_SECONDS
        while self._thread.is_alive() and time.monotonic() < deadline:
            # There is no public way to end a dataset that another thread waits for.
            executor = getattr(self._dataset, "_current_executor", None)
            if executor is not None:
                executor.shutdown(force=True)
            self._thread.join(0.1)

    def _run(self) -> None:
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        try:
            with DataContext.current(_context()):
                self._dataset = self._plan()
                for batch in self._dataset.iter_batches(batch_size=1, prefetch_batches=0):
                    self._arrivals.put(("row", {"kind": str(batch["kind"][0]), "row": str(batch["row"][0])}))
            self._arrivals.put(("end", None))
        except BaseException as error:
            log.debug("the dataset ended early", exc_info=True)
            self._arrivals.put(("row", pack(FatalRow(f"Ray ended the run: {line(error)[-600:]}"))))

    def _plan(self) -> Any:
        rows = [pack(source) for source in self._sources]
        dataset = ray.data.from_items(rows, override_num_blocks=len(rows))
        for share, arguments in self._pools:
            dataset = dataset.map_batches(
                StageActor,
                fn_constructor_args=arguments,
                batch_size=1,
                compute=ActorPoolStrategy(min_size=share.least, max_size=share.most, max_tasks_in_flight_per_actor=2),
                **share.options,
            )
        return dataset


def _context() -> DataContext:
    context = DataContext.get_current().copy()
    context.target_max_block_size = 1
    context.enable_progress_bars = False
    context.execution_no_progress_timeout_s = -1
    context.max_consecutive_actor_init_deaths = 3
    context.wait_for_min_actors_s = -1
    context.execution_options.verbose_progress = False
    return context
