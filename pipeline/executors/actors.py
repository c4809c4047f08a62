"""What runs inside Ray's actors: a wrapped stage that takes packed rows and never raises.

An exception that left an actor would not say what it means for the run, so everything that is not an item's own failure
becomes a ``FatalRow``, on which the driver ends the run in one line.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from typing import Any

import ray

from pipeline.accounting import ElsewhereError
from pipeline.events import Reason, process_name
from pipeline.executors.base import StageFactory, fix_threads
from pipeline.executors.collector import gate, reporter
from pipeline.executors.memory import keep_memory
from pipeline.executors.nodes import LiveNodes
from pipeline.job import Job
from pipeline.rows import AgainRow, AssembleRow, ChunkRow, FatalRow, Row, SourceRow, pack, unpack
from pipeline.stopping import Stopped
from pipeline.storage import StorageError
from pipeline.storage_errors import broken
from pipeline.wrap_assemble import AssembleWorker
from pipeline.wrap_chunk import ChunkWorker
from pipeline.wrap_split import SplitWorker
from pipeline.wrapper import SetupError, Worker

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
        keep_memory()
        fix_threads(job.threads)
        self.fatal: FatalRow | None = None
        self.spent = False
        self.collector, self.report = collector, reporter(collector)
        try:
            self.node = f"{os.uname().nodename}/{ray.get_runtime_context().get_node_id()[:8]}"
            self.worker: Any = self._make(kind, factory, job, collector)
            self.worker.setup()
        except (SetupError, StorageError) as error:
            self._end(FatalRow(str(error), isinstance(error, SetupError)), collector)
        except Exception as error:
            self._end(FatalRow(f"a {kind} worker cannot start: {Reason.of(error).message}", True), collector)

    def ready(self) -> tuple[str, str]:
        """Return the names of machine and worker, as events have them, when the worker is set up."""
        return self.node, process_name()

    def take(self, packed: dict[str, str]) -> dict[str, str]:
        """Take one packed row and return one. Chunks of a video being split go to the collector as they are made."""
        if self.spent:
            return pack(AgainRow(tried=False, spent=True))
        if not self.fatal:
            self.worker.accounts.lost = json.loads(packed.get("lost", "{}"))
        last: Row | None = None
        for made in self._rows(unpack(packed)):
            if self.kind == "split" and isinstance(made, ChunkRow):
                ray.get(self.collector.put.remote([made]))
            else:
                last = made
        assert last is not None, "every row is answered"
        return pack(last)

    def _rows(self, row: Row) -> Iterator[Row]:
        if self.fatal:
            yield self.fatal
            return
        try:
            if not isinstance(row, TAKES[self.kind]):
                yield row
                return
            if self.stopping():
                yield AgainRow(tried=False)
                return
            fix_threads(self.threads)  # Ray calls on another thread than it made us on
            made = self.worker.run(row)
            if isinstance(made, Iterator):
                yield from made
            else:
                yield made
        except Stopped:
            yield AgainRow(tried=False)
        except ElsewhereError as error:
            self.spent = error.spent
            yield AgainRow(spent=error.spent)
        except StorageError as error:
            yield FatalRow(str(error))
        except OSError as error:
            yield FatalRow(broken(error))
        except Exception as error:
            why = Reason.of(error)
            logging.getLogger(__name__).error("the pipeline itself failed\n%s", why.traceback)
            yield FatalRow(f"the pipeline itself failed ({why.error_class}: {why.message}); report this")

    def stopping(self) -> bool:
        """Whether nothing more is to be begun."""
        return bool(ray.get(self.collector.stopping.remote()))

    def _make(self, kind: str, factory: StageFactory, job: Job, collector: Any) -> Worker:
        cluster = LiveNodes()
        if kind == "split":
            return SplitWorker(factory(), job, self.report, self.node, cluster, admit=gate(collector))
        return {"chunk": ChunkWorker, "assemble": AssembleWorker}[kind](factory(), job, self.report, self.node, cluster)

    def _end(self, fatal: FatalRow, collector: Any) -> None:
        """Tell the driver at once, before the first row arrives here."""
        self.fatal = fatal
        ray.get(collector.put.remote([fatal]))
