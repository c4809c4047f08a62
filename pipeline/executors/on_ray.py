"""The run on Ray: pools of actors (``scheduler``), a collector beside the driver, which alone writes the manifest."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import ray
from ray.exceptions import AuthenticationError, RayError

from pipeline.config import Pools
from pipeline.driver import Driver
from pipeline.executors.base import StageFactory
from pipeline.executors.collector import start_collector
from pipeline.executors.memory import WORKER_ENVIRONMENT
from pipeline.executors.nodes import cluster_machines
from pipeline.executors.scheduler import Scheduler
from pipeline.executors.sizing import check_fits, shares
from pipeline.faults import line
from pipeline.job import Job
from pipeline.rows import SourceRow
from pipeline.silence import silenced
from pipeline.storage import StorageError

OBJECT_STORE_BYTES = 200 << 20
STARTS = 3
TOO_SLOW = "timed out during startup"
log = logging.getLogger(__name__)


class RayExecutor:
    """Runs on the Ray cluster that this process belongs to, or on one of its own on this machine.

    Args:
        pools: sizes of the worker pools.
        address: of a cluster; None: the one that RAY_ADDRESS names (``ray job submit`` sets it), else a local one.
    """

    def __init__(self, pools: Pools | None = None, address: str | None = None) -> None:
        self.pools, self.address = pools or Pools(), address
        self._owned = self._alone = False

    @property
    def here(self) -> bool:
        """See ``Executor.here``."""
        return not (self.address or surrounding_cluster() or ray.is_initialized())

    def execute(
        self, sources: Sequence[SourceRow], stages: Mapping[str, StageFactory], job: Job, driver: Driver
    ) -> None:
        """See ``Executor.execute``."""
        self._connect()
        machines = cluster_machines()
        sizes = shares(self.pools, machines, job.threads)
        workers = sum(share.most for share in sizes.values())
        if self._alone:
            check_fits(sizes, sum(each.cpus for each in machines), sum(each.gpus for each in machines))
        collector = start_collector(job.ahead or 8 * workers, job.scratch_bytes)
        scheduler = Scheduler(stages, job, collector, sizes, driver)
        try:
            scheduler.run(sources)
        except BaseException as error:
            logging.getLogger("ray").setLevel(logging.CRITICAL)  # what is cut off below would complain at length
            with suppress(Exception):  # Ray itself may be gone
                scheduler.close()
            self.close()
            if isinstance(error, RayError):
                raise StorageError(f"Ray ended the run: {line(error)[-600:]}") from error
            raise
        scheduler.close()
        ray.kill(collector)

    def close(self) -> None:
        """Leave the cluster if ``execute`` entered it; all workers end."""
        if self._owned and ray.is_initialized():
            ray.shutdown()
        self._owned = False

    def _connect(self) -> None:
        if ray.is_initialized():
            return
        address = self.address or surrounding_cluster() or "local"
        options: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
        if address == "local":
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
            for name, value in WORKER_ENVIRONMENT.items():
                os.environ.setdefault(name, value)
            options |= {"include_dashboard": False, "object_store_memory": OBJECT_STORE_BYTES}
        try:
            with silenced(), _same_handler(signal.SIGTERM):  # what matters comes as an exception
                _start(address, options)
        except Exception as error:  # Ray raises bare ones, too
            raise StorageError(_why_not(address, error)) from error
        self._owned, self._alone = True, address == "local"
        _silence()


def _start(address: str, options: dict[str, Any]) -> None:
    """Enter the cluster. One of this machine's own is started again where the machine was too busy to do so in time.

    Ray waits 30 seconds, which cannot be set, and says so in a bare exception.
    """
    for left in reversed(range(STARTS)):
        try:
            ray.init(address=address, **options)
            return
        except Exception as error:
            if address != "local" or not left or TOO_SLOW not in str(error):
                raise
            log.warning("Ray did not start in time on this machine; starting it again")


def surrounding_cluster() -> str | None:
    """The address of the cluster that this process was started for; None if it was started for none.

    RAY_ADDRESS is taken at its word: Ray's "auto" would prefer whatever cluster was started last on this machine. Only
    where it is that of a dashboard, to which jobs are submitted, is the cluster looked for.
    """
    address = os.environ.get("RAY_ADDRESS")
    if address and not address.startswith(("http://", "https://")):
        return address
    return "auto" if address or os.environ.get("RAY_JOB_CONFIG_JSON_ENV_VAR") else None


def _why_not(address: str, error: Exception) -> str:
    """Say why a cluster could not be entered, and what to do. Ray tells of a missing token in the causes alone."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, AuthenticationError) or AuthenticationError.__name__ in str(cause):
            return (
                f"the Ray cluster at {address} asks for its token: set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN to the "
                "one that it was started with (or write that into ~/.ray/auth_token)"
            )
        cause = cause.__cause__
    return f"no Ray cluster at {address}: {line(error)}"


def _silence() -> None:
    """Keep Ray's notices of dead workers off stdout; the manifest tells of them. There is no public switch for it."""
    worker = sys.modules.get("ray._private.worker")
    if hasattr(worker, "print_to_stdstream"):
        worker.print_to_stdstream = lambda data, ignore_prefix: log.debug("%s", data.get("lines"))  # type: ignore


@contextmanager
def _same_handler(number: int) -> Iterator[None]:
    """Keep a signal's handler: Ray puts its own in the place of a driver's for SIGTERM, which ends it at once."""
    before = signal.getsignal(number)
    try:
        yield
    finally:
        if callable(before) and threading.current_thread() is threading.main_thread():
            signal.signal(number, before)
