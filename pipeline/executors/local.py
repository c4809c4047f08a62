"""All stages in one process, in order: for debugging, for a GPU box without Ray, and as the reference for determinism.

An item that kills the process kills the run, and one that hangs lets it hang; ``cautious`` knows what to do about it.
On Ray, items run in processes of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace

from pipeline.driver import Driver
from pipeline.executors.base import StageFactory, fix_threads
from pipeline.executors.memory import keep_memory
from pipeline.fingerprint import CHUNK_STAGES
from pipeline.job import Job
from pipeline.rows import ChunkRow, SourceRow
from pipeline.stopping import Stopped
from pipeline.wrap_assemble import AssembleWorker
from pipeline.wrap_chunk import ChunkWorker
from pipeline.wrap_split import SplitWorker


class LocalExecutor:
    """Takes each chunk through all stages before the next one is split.

    Args:
        mortal: whether this process may be ended when an attempt takes too long.
    """

    def __init__(self, mortal: bool = False) -> None:
        self.mortal = mortal

    here = True

    def execute(
        self, sources: Sequence[SourceRow], stages: Mapping[str, StageFactory], job: Job, driver: Driver
    ) -> None:
        """See ``Executor.execute``."""
        keep_memory()
        fix_threads(job.threads)
        job = job if self.mortal else replace(job, timeouts={})
        with ExitStack() as stack:
            split = SplitWorker(stages["split"](), job, driver.record, admit=driver.stop.check)
            chain = [ChunkWorker(stages[name](), job, driver.record) for name in CHUNK_STAGES]
            assemble = AssembleWorker(stages["assemble"](), job, driver.record)
            for worker in (split, *chain, assemble):
                stack.callback(worker.teardown)
                if self.mortal:
                    worker.setup()  # now, when a death is no attempt's: the first process counts those of this one
            with suppress(Stopped):
                for source in sources:
                    driver.stop.check()
                    for row in split.run(source):
                        if isinstance(row, ChunkRow):
                            for worker in chain:
                                driver.stop.check()
                                row = worker.run(row)
                        ready = driver.receive(row)
                        if ready:
                            driver.stop.check()
                            driver.receive(assemble.run(ready))

    def close(self) -> None:
        """Nothing is left running."""
