"""What an executor is: something that takes sources through all stages and hands everything to the driver."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from pipeline.driver import Driver
from pipeline.executors.memory import WAIT_POLICY
from pipeline.job import Job
from pipeline.rows import SourceRow
from stages.contract import Stage

StageFactory = Callable[[], Stage[Any, Any]]
"""Makes a stage that has not been set up. Must be picklable for Ray (a function of a module, or a partial of one)."""


class Executor(Protocol):
    """Takes sources through all stages."""

    @property
    def here(self) -> bool:
        """Whether the stages will surely run on this machine, so that what it lacks can be told before they start."""
        ...

    def execute(
        self, sources: Sequence[SourceRow], stages: Mapping[str, StageFactory], job: Job, driver: Driver
    ) -> None:
        """Run all five stages over ``sources``. Records go to ``driver.record``, finished rows to ``driver.receive``.

        Raises:
            SetupError: if a stage cannot be set up.
            StorageError: if the workspace or the output cannot be written.
            FencedError: if another driver has taken the workspace over.
        """
        ...

    def close(self) -> None:
        """End what ``execute`` started and left running."""
        ...


def fix_threads(threads: int) -> None:
    """Give torch, and what reads OMP_NUM_THREADS, a fixed number of threads, and let them sleep while they wait.

    The number of threads decides how sums are split, and so their last bits: it must not follow the size of the pools.
    Called before a stage is made, because torch reads the variable when it is imported, and again on the thread that
    does the work, because torch counts per thread. A process whose stage needs no torch does not import it. Threads of
    OpenMP that spin take the cores from NNPACK's (``models.winograd``): docs/performance.md has what that costs.
    """
    os.environ["OMP_NUM_THREADS"] = str(threads)
    os.environ.setdefault("OMP_WAIT_POLICY", WAIT_POLICY)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)
