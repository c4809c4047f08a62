"""The run on Ray Data: rows stream through the pools (``stream``); the driver alone writes the manifest."""

from __future__ import annotations

import logging
import os
import queue
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import ray

from pipeline.config import Pools
from pipeline.driver import Driver
from pipeline.executors.assembly import AssemblyPool
from pipeline.executors.base import StageFactory
from pipeline.executors.collector import start_collector
from pipeline.executors.memory import WORKER_ENVIRONMENT
from pipeline.executors.sizing import check_fits, shares
from pipeline.executors.stream import Stream
from pipeline.rows import FatalRow, SourceRow, pack, unpack
from pipeline.schemas import Record
from pipeline.stopping import Stop
from pipeline.storage import StorageError
from pipeline.wrapper import Job, line

OBJECT_STORE_BYTES = 200 << 20
SILENCE_SECONDS = 600
DRAIN_SECONDS = 10.0
POLL_SECONDS = 0.5
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

    def execute(
        self, sources: Sequence[SourceRow], stages: Mapping[str, StageFactory], job: Job, driver: Driver
    ) -> None:
        """See ``Executor.execute``."""
        self._connect()
        resources = ray.cluster_resources()
        sizes = shares(self.pools, resources.get("CPU", 1.0), resources.get("GPU", 0.0))
        workers = sum(share.most for share in sizes.values())
        if self._alone:
            check_fits(sizes, resources.get("CPU", 1.0), resources.get("GPU", 0.0))
        collector = start_collector(job.ahead or 8 * workers)
        arrivals: queue.Queue[Any] = queue.Queue()
        assembly = AssemblyPool(stages["assemble"], job, collector, sizes["assemble"], arrivals)
        stream = Stream(sources, stages, job, collector, sizes, arrivals)
        stop = threading.Event()
        drain = threading.Thread(target=_drain, args=(collector, arrivals, stop), daemon=True)
        try:
            drain.start()
            stream.start()
            _consume(arrivals, assembly, driver, collector)
            stop.set()
            drain.join()
            _record(arrivals, driver)
        except BaseException:
            for name in ("ray", "ray.data"):  # what is cut off below would complain at length
                logging.getLogger(name).setLevel(logging.CRITICAL)
            stop.set()
            stream.stop()
            assembly.close()
            drain.join(DRAIN_SECONDS)
            self.close()
            raise
        assembly.close()
        ray.kill(collector)

    def close(self) -> None:
        """Leave the cluster if ``execute`` entered it; all workers end."""
        if self._owned and ray.is_initialized():
            ray.shutdown()
        self._owned = False

    def _connect(self) -> None:
        if ray.is_initialized():
            return
        submitted = os.environ.get("RAY_ADDRESS") or os.environ.get("RAY_JOB_CONFIG_JSON_ENV_VAR")
        address = self.address or ("auto" if submitted else "local")
        options: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
        if address == "local":
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
            for name, value in WORKER_ENVIRONMENT.items():
                os.environ.setdefault(name, value)
            options |= {"include_dashboard": False, "object_store_memory": OBJECT_STORE_BYTES}
        try:
            with _quiet():
                ray.init(address=address, **options)
        except Exception as error:  # Ray raises bare ones, too
            raise StorageError(f"no Ray cluster at {address}: {line(error)}") from error
        self._owned, self._alone = True, address == "local"
        _silence()


def _silence() -> None:
    """Keep Ray's notices of dead workers off stdout; the manifest tells of them. There is no public switch for it."""
    worker = sys.modules.get("ray._private.worker")
    if hasattr(worker, "print_to_stdstream"):
        worker.print_to_stdstream = lambda data, ignore_prefix: log.debug("%s", data.get("lines"))  # type: ignore


@contextmanager
def _quiet() -> Iterator[None]:
    """Send what Ray's core writes to stderr while it starts to nowhere (what matters comes as an exception)."""
    sys.stderr.flush()
    saved, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)


def _drain(collector: Any, arrivals: queue.Queue[Any], stop: threading.Event) -> None:
    """Put (``records``, list) for what the workers report; after ``stop``, what is left."""
    while True:
        last = stop.is_set()
        try:
            records = ray.get(collector.drain.remote(0.0 if last else 0.5))
        except Exception as error:
            if not last:
                arrivals.put(("row", pack(FatalRow(f"the run's own collector was lost: {line(error)}; run again"))))
            return
        if records:
            arrivals.put(("records", records))
        elif last:
            return


def _consume(arrivals: queue.Queue[Any], assembly: AssemblyPool, driver: Driver, collector: Any) -> None:
    """Hand everything to the driver until the stream has ended and the last video is assembled."""
    streaming, assembling, told = True, 0, False
    while streaming or assembling:
        if driver.stop and not told:
            ray.get(collector.stop.remote())
            told = True
        kind, value = _next(arrivals, None if told else driver.stop)
        if kind == "end":
            streaming = False
        elif kind == "stop":
            continue
        elif kind == "records":
            _take(value, driver)
        else:
            assembling -= kind == "assembled"
            ready = driver.receive(unpack(value))
            if ready:
                assembling += 1
                assembly.submit(ready)


def _next(arrivals: queue.Queue[Any], stop: Stop | None) -> tuple[str, Any]:
    """Wait for the next arrival, or (``stop``, None) if that is asked for.

    Says so when it takes long, because a cluster may never have what a pool asks for.
    """
    silent = time.monotonic()
    while True:
        try:
            kind, value = arrivals.get(timeout=POLL_SECONDS)
        except queue.Empty:
            if stop:
                return "stop", None
            if time.monotonic() - silent < SILENCE_SECONDS:
                continue
            silent = time.monotonic()
            free = {name: ray.available_resources().get(name, 0.0) for name in ("CPU", "GPU")}
            log.warning(
                "no stage has reported for %d minutes; free in the cluster: %g CPU, %g GPU; if the pools ask for more "
                "than it can ever have, change pools.* and start again",
                SILENCE_SECONDS // 60,
                free["CPU"],
                free["GPU"],
            )
        else:
            return kind, value


def _record(arrivals: queue.Queue[Any], driver: Driver) -> None:
    while not arrivals.empty():
        kind, value = arrivals.get()
        if kind == "records":
            _take(value, driver)


def _take(values: Sequence[Record | FatalRow], driver: Driver) -> None:
    records: list[Record] = []
    for value in values:
        if isinstance(value, FatalRow):
            driver.receive(value)
        else:
            records.append(value)
    driver.record(records)
