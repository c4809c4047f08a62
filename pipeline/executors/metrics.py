"""Figures of a run for Prometheus, by way of Ray's own metrics; deploy/grafana.json shows them.

All come from the driver, which sees every event. Ray puts ``ray_`` before the names.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from ray.util.metrics import Counter, Gauge, Histogram

from pipeline.executors.pool import Pool
from pipeline.rows import Row
from pipeline.schemas import DIED, DONE, EVICTED, FAILED, GAVE_UP, PREEMPTED, REDUCED, RETRIED, TIMED_OUT, Event, Record

SECONDS = [0.1, 0.3, 1, 3, 10, 30, 60, 120, 300, 600, 1800, 3600]
AGAIN = (RETRIED, DIED, TIMED_OUT, PREEMPTED, EVICTED, REDUCED)
"""Outcomes after which an item is tried once more, all of it or the part that did not fit into memory."""


class Metrics:
    """The run's counters, gauges and histograms. Make it when Ray is connected."""

    def __init__(self) -> None:
        stage = ("stage",)
        self.frames = Counter("reelift_frames", "Frames that went through a stage.", stage)
        self.seconds = Histogram("reelift_chunk_seconds", "Seconds per chunk and stage.", SECONDS, stage)
        self.bytes = Counter("reelift_artifact_bytes", "Bytes of committed artifacts.", stage)
        self.retries = Counter("reelift_retries", "Attempts that are made again.", (*stage, "outcome"))
        self.failures = Counter("reelift_failures", "Items that failed for good.", stage)
        self.gpu_seconds = Counter("reelift_gpu_seconds", "Seconds of GPUs in attempts, whatever came of them.", stage)
        self.videos = Counter("reelift_videos", "Videos that were published.")
        self.scratch = Gauge("reelift_scratch_bytes", "Space of artifacts of videos that are under way.")
        self.workers = Gauge("reelift_workers", "Workers that are ready.", stage)
        self.waiting = Gauge("reelift_waiting", "Items that wait for a worker.", stage)

    def count(self, records: Iterable[Record | Row], pools: Mapping[str, Pool]) -> None:
        """Take note of events."""
        for event in records:
            if not isinstance(event, Event) or event.stage not in pools:
                continue
            tags = {"stage": event.stage}
            gpus = pools[event.stage].share.gpus
            if gpus and event.seconds:
                self.gpu_seconds.inc(gpus * event.seconds, tags)
            if event.outcome in AGAIN:
                self.retries.inc(1, {**tags, "outcome": event.outcome})
            elif event.outcome in (FAILED, GAVE_UP):
                self.failures.inc(1, tags)
            elif event.outcome == DONE:
                self._done(event, tags)

    def show(self, pools: Mapping[str, Pool], scratch: int) -> None:
        """Show where the run stands."""
        self.scratch.set(scratch)
        for stage, pool in pools.items():
            self.workers.set(sum(hand.ready for hand in pool.hands), {"stage": stage})
            self.waiting.set(len(pool.waiting), {"stage": stage})

    def _done(self, event: Event, tags: dict[str, str]) -> None:
        if event.chunk < 0:
            if event.stage == "assemble":
                self.videos.inc(1)
            return
        self.seconds.observe(event.seconds, tags)
        if event.bytes:
            self.bytes.inc(event.bytes, tags)
        frames = json.loads(event.facts).get("frames", 0)
        if frames:
            self.frames.inc(frames, tags)
