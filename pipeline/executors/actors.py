"""What runs inside Ray's actors: a wrapped stage that takes packed rows and never raises.

An exception that left an actor would abort the whole dataset, so everything that is not an item's own failure becomes a
``FatalRow``, on which the driver ends the run in one line.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from typing import Any

import ray

from pipeline.executors.base import StageFactory, fix_threads
from pipeline.executors.collector import gate, reporter
from pipeline.rows import AssembleRow, ChunkRow, DoneRow, FatalRow, Row, SourceRow, pack, unpack
from pipeline.stopping import Stopped
from pipeline.storage import StorageError
from pipeline.wrap_assemble import AssembleWorker
from pipeline.wrap_split import SplitWorker
from pipeline.wrapper import ChunkWorker, Job, SetupError, Worker, line

TAKES = {"split": SourceRow, "chunk": ChunkRow, "assemble": AssembleRow}
"""Which rows a worker works on; all others pass."""


class StageActor:
    """One worker of one stage.

    Args:
        kind: "split", "chunk" or "assemble".
        factory: makes the stage.
        job: the run.
        collector: handle of the collector.
    """

    def __init__(self, kind: str, factory: StageFactory, job: Job, collector: Any) -> None:
        self.kind, self.threads = kind, job.threads
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        fix_threads(job.threads)
        self.fatal: FatalRow | None = None
        self.report = reporter(collector)
        self.collector = collector
        try:
            node = ray.get_runtime_context().get_node_id()[:8]
            self.worker: Any = self._make(kind, factory, job, collector, f"{os.uname().nodename}/{node}")
            self.worker.setup()
        except (SetupError, StorageError) as error:
            self._end(FatalRow(str(error), isinstance(error, SetupError)), collector)
        except Exception as error:
            self._end(FatalRow(f"a {kind} worker cannot start: {line(error)}", True), collector)

    def __call__(self, batch: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Take a batch of one packed row; yield batches of one packed row."""
        row = unpack({"kind": batch["kind"][0], "row": batch["row"][0]})
        for made in self._rows(row):
            packed = pack(made)
            yield {"kind": [packed["kind"]], "row": [packed["row"]]}

    def take(self, packed: dict[str, str]) -> dict[str, str]:
        """Take one packed row and return one (assemble)."""
        return [pack(made) for made in self._rows(unpack(packed))][-1]

    def _rows(self, row: Row) -> Iterator[Row]:
        if self.fatal:
            yield self.fatal
            return
        try:
            if not isinstance(row, TAKES[self.kind]):
                yield row
                return
            if ray.get(self.collector.stopping.remote()):
                yield from self._left(row)
                return
            fix_threads(self.threads)  # Ray calls on another thread than it made us on
            made = self.worker.run(row)
            if isinstance(made, Iterator):
                yield from made
            else:
                yield made
        except Stopped:
            return
        except StorageError as error:
            yield FatalRow(str(error))
        except OSError as error:
            yield FatalRow(f"the workspace or the output failed ({line(error)}); run the same line again")
        except Exception as error:
            logging.getLogger(__name__).exception("the pipeline itself failed")
            yield FatalRow(f"the pipeline itself failed ({type(error).__name__}: {line(error)}); report this")

    def _left(self, row: Row) -> Iterator[Row]:
        """Yield what becomes of a row that is not begun because the run stops."""
        if isinstance(row, ChunkRow):
            yield row
        elif isinstance(row, AssembleRow):
            yield DoneRow(row.source.shown, "left")

    def _make(self, kind: str, factory: StageFactory, job: Job, collector: Any, node: str) -> Worker:
        if kind == "split":
            return SplitWorker(factory(), job, self.report, node, admit=gate(collector))
        return {"chunk": ChunkWorker, "assemble": AssembleWorker}[kind](factory(), job, self.report, node)

    def _end(self, fatal: FatalRow, collector: Any) -> None:
        """Tell the driver at once, before the first row arrives here."""
        self.fatal = fatal
        ray.get(collector.put.remote([fatal]))
