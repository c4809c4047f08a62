"""How many chunk-stages one driver commits to the manifest per second, and how many GPUs it can so feed.

    python -m benchmarks.driver [--chunks 3000] [--ray-data] [--json benchmarks/results/driver.json]

Scheduler, collector, driver and manifest are the run's own; the workers answer at once and write nothing, so what is
measured is what all workers together cannot exceed. They run on the same cores: a driver with a machine of its own is
faster. Videos have 750 chunks each, so more chunks are more videos; the driver's resident memory, taken after each
quarter, should stay the same. ``--ray-data`` sends a sixth as many rows through three pools of Ray Data, whose workers
do nothing at all, beside it.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import ray

from benchmarks.record import write_result
from benchmarks.simulated_stages import Simulation
from pipeline.driver import Driver
from pipeline.epoch import Epoch
from pipeline.executors.actors import StageActor
from pipeline.executors.collector import start_collector
from pipeline.executors.on_ray import RayExecutor
from pipeline.executors.scheduler import Scheduler
from pipeline.executors.sizing import Share
from pipeline.fingerprint import CHUNK_STAGES, STAGES
from pipeline.job import Job
from pipeline.manifest import ManifestWriter
from pipeline.rows import AssembleRow, ChunkRow, DoneRow, SourceRow, VideoRow, pack, unpack
from pipeline.run import make_recipe
from pipeline.schemas import DONE, Event
from pipeline.storage import Storage
from stages.items import Chunk

REQUIRED = 300.0
CHUNK_SECONDS = 20.0
CHUNKS_OF_A_VIDEO = 750


class NullActor(StageActor):
    """Answers at once, with the events that a worker would have reported."""

    def __init__(self, kind: str, factory: Any, job: Job, collector: Any) -> None:
        self.kind, self.collector, self.stage, self.node = kind, collector, factory().name, "null"

    def take(self, packed: dict[str, str]) -> dict[str, str]:
        """See ``StageActor.take``."""
        row = unpack(packed)
        if isinstance(row, SourceRow):
            for index in range(row.size):
                chunk = Chunk(row.shown, index, 0, index * 10, index * 10 + 10)
                self._tell(chunk)
                ray.get(self.collector.put.remote([ChunkRow(row.shown, row.content, chunk)]))
            return pack(VideoRow(row, "split", row.size))
        if isinstance(row, AssembleRow):
            return pack(DoneRow(row.source.shown, "done"))
        assert isinstance(row, ChunkRow)
        self._tell(row.chunk)
        return packed

    def _tell(self, chunk: Chunk) -> None:
        event = Event(self.stage, DONE, video=chunk.video, chunk=chunk.index, plan="p" * 64, fingerprint="f" * 64)
        ray.get(self.collector.put.remote([event]))


class NullScheduler(Scheduler):
    """The run's scheduler, with workers that do nothing; it takes the resident memory after each quarter."""

    actor = NullActor
    chunks, resident_mb = 0, list[float]()

    def _take(self, values: Any, scratch: int) -> None:
        super()._take(values, scratch)
        if self.driver.tally.done(CHUNK_STAGES[-1]) * 4 >= self.chunks * (len(self.resident_mb) + 1):
            self.resident_mb.append(round(resident(), 1))


def resident() -> float:
    """Resident memory of this process in MB (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def measure(chunks: int) -> dict[str, Any]:
    """Send chunks through all stages; return chunk-stages and seconds from the first commit to the last."""
    videos = max(4, chunks // CHUNKS_OF_A_VIDEO)
    with tempfile.TemporaryDirectory() as folder:
        storage = Storage(folder)
        factories = Simulation().factories()
        epoch = Epoch.claim(storage)
        writer = ManifestWriter(storage, epoch)
        names = [f"{number:016d}" for number in range(videos)]
        driver = Driver(writer, dict.fromkeys(names, chunks // videos))
        job = Job(folder, folder, epoch.number, make_recipe(factories), timeouts=dict.fromkeys(STAGES, 60.0))
        share = Share(1, 1, 0.1, 0.0)
        scheduler = NullScheduler(factories, job, start_collector(1000), dict.fromkeys(STAGES, share), driver)
        scheduler.chunks, scheduler.resident_mb = chunks // videos * videos, []
        sources = [SourceRow(name, name, name, chunks // videos, "", "0" * 64) for name in names]
        for pool in scheduler.pools.values():
            pool.resize(coming=1)
        ray.get([hand.started for pool in scheduler.pools.values() for hand in pool.hands])
        writer.start()
        started, cpu = time.perf_counter(), time.process_time()
        scheduler.run(sources)
        writer.close()
        seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
        scheduler.close()
        made = sum(driver.tally.done(stage) for stage in ("split", *CHUNK_STAGES))
        assert made == 4 * (chunks // videos) * videos and set(driver.states.values()) == {"done"}
    rate = round(made / seconds, 1)
    took = {"chunk_stages": made, "seconds": round(seconds, 2), "per_second": rate, "cpu_seconds": round(cpu, 2)}
    return {**took, "resident_mb": scheduler.resident_mb}


class _Pass:
    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        return batch


def measure_ray_data(chunks: int) -> dict[str, float]:
    """Send rows through three pools of Ray Data, a row a block; count from the first row that comes out to the last."""
    from ray.data import ActorPoolStrategy, DataContext

    context = DataContext.get_current()
    context.target_max_block_size, context.enable_progress_bars = 1, False
    rows = [{"row": str(number)} for number in range(chunks)]
    dataset = ray.data.from_items(rows, override_num_blocks=len(rows))
    for _ in CHUNK_STAGES:
        compute = ActorPoolStrategy(size=1, max_tasks_in_flight_per_actor=2)
        dataset = dataset.map_batches(_Pass, batch_size=1, compute=compute, num_cpus=0.1)
    first, count = 0.0, 0
    for _ in dataset.iter_batches(batch_size=1, prefetch_batches=0):
        first, count = first or time.perf_counter(), count + 1
    seconds = time.perf_counter() - first
    return {"stage_rows": 3 * count, "seconds": round(seconds, 2), "per_second": round(3 * count / seconds, 1)}


def main() -> None:
    """Parse, measure, print, write; exit 1 if it is slower than required."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--chunks", type=int, default=3000)
    parser.add_argument("--ray-data", action="store_true")
    parser.add_argument("--json", type=Path, default=Path("benchmarks/results/driver.json"))
    arguments = parser.parse_args()
    executor = RayExecutor()
    executor._connect()
    load = os.getloadavg()[0]
    result: dict[str, Any] = {"chunks": arguments.chunks, "driver": measure(arguments.chunks)}
    if arguments.ray_data:
        result["ray_data"] = measure_ray_data(arguments.chunks // 6)
    executor.close()
    rate = result["driver"]["per_second"]
    result |= {
        "required": REQUIRED,
        "gpus_at_20_s_per_chunk_stage": int(rate * CHUNK_SECONDS),
        "measured": time.strftime("%Y-%m-%d"),
        "machine": {"system": platform.platform(), "cores": os.cpu_count(), "load_before": round(load, 1)},
    }
    write_result(arguments.json, result)
    print(f"{rate:.0f} chunk-stages committed per second (required {REQUIRED:.0f})")
    print(
        f"the driver's own process took {result['driver']['cpu_seconds']} s of CPU in {result['driver']['seconds']} s"
    )
    print(f"at {CHUNK_SECONDS:.0f} s per chunk and stage: enough for {int(rate * CHUNK_SECONDS)} workers")
    print(f"its resident memory after each quarter, MB: {result['driver']['resident_mb']}")
    if "ray_data" in result:
        print(f"Ray Data: {result['ray_data']['per_second']:.0f} rows and stages per second")
    sys.exit(0 if rate >= REQUIRED else 1)


if __name__ == "__main__":
    main()
