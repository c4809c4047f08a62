"""The pool that assembles: plain Ray actors beside the stream, because a video is ready only when its last chunk is."""

from __future__ import annotations

import queue
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import ray
from ray.exceptions import ActorUnavailableError, GetTimeoutError, RayActorError

from pipeline.executors.actors import StageActor
from pipeline.executors.base import StageFactory
from pipeline.executors.sizing import Share
from pipeline.rows import AssembleRow, FatalRow, pack
from pipeline.wrapper import Job, line

RESTART_SECONDS = 600.0


class AssemblyPool:
    """The share's least actors from the start, more while there is work; a thread of the driver waits on each.

    Args:
        factory: makes the stage.
        job: the run.
        collector: handle of the collector.
        share: size of the pool.
        arrivals: gets (``assembled``, packed row) for every row that was submitted.
    """

    def __init__(
        self, factory: StageFactory, job: Job, collector: Any, share: Share, arrivals: queue.Queue[Any]
    ) -> None:
        self.factory, self.job, self.collector, self.share, self.arrivals = factory, job, collector, share, arrivals
        self._threads = ThreadPoolExecutor(share.most, thread_name_prefix="assemble")
        self._own, self._lock, self._closing = threading.local(), threading.Lock(), threading.Event()
        # Started now, before Ray Data's pools, so that they have their place and a set-up that fails is known at once.
        self._actors = [self._start() for _ in range(share.least)]
        self._idle = list(self._actors)

    def submit(self, row: AssembleRow) -> None:
        """Assemble a video when an actor is free."""
        self._threads.submit(self._assemble, row)

    def close(self) -> None:
        """End all actors, and the threads that wait on them."""
        self._closing.set()
        self._threads.shutdown(wait=False, cancel_futures=True)
        for actor in self._actors:
            with suppress(Exception):  # Ray itself may be gone
                ray.kill(actor)
        self._threads.shutdown(wait=True)

    def _assemble(self, row: AssembleRow) -> None:
        packed = pack(row)
        # Each death at work is an attempt that the wrapper has counted; it gives up before this loop does, unless the
        # actor dies before it gets as far as counting.
        for _ in range(self.job.attempts + 3):
            actor = self._actor()
            try:
                self.arrivals.put(("assembled", self._result(actor.take.remote(packed))))
                return
            except RayActorError:
                if not self._restarted(actor):
                    break
            except Exception as error:
                self.arrivals.put(("assembled", pack(FatalRow(f"Ray ended the run: {line(error)}"))))
                return
        self.arrivals.put(("assembled", pack(FatalRow("assemble workers die before they start; see Ray's logs"))))

    def _result(self, reference: Any) -> Any:
        """Wait for an actor's answer, but not when the pool is closed."""
        while True:
            try:
                return ray.get(reference, timeout=1.0)
            except GetTimeoutError:
                if self._closing.is_set():
                    raise

    def _restarted(self, actor: Any) -> bool:
        """Wait until Ray has started a dead actor again; until then every call to it fails at once."""
        deadline = time.monotonic() + RESTART_SECONDS
        while time.monotonic() < deadline and not self._closing.is_set():
            try:
                ray.get(actor.__ray_ready__.remote(), timeout=1.0)
            except (ActorUnavailableError, GetTimeoutError):
                time.sleep(0.2)
            except RayActorError:  # it will not come back
                return False
            else:
                return True
        return False

    def _actor(self) -> Any:
        """Return the actor of this thread."""
        if not hasattr(self._own, "actor"):
            with self._lock:
                if self._idle:
                    self._own.actor = self._idle.pop()
                else:
                    self._own.actor = self._start()
                    self._actors.append(self._own.actor)
        return self._own.actor

    def _start(self) -> Any:
        options = {**self.share.options, "max_restarts": -1, "max_task_retries": 0}
        return ray.remote(**options)(StageActor).remote("assemble", self.factory, self.job, self.collector)
