"""A run on a Ray of its own that ends workers when memory is short, and one chunk that takes more than there is.

A script, so that Ray's workers get the stage's code with the stage. Memory counts as short when ``ROOM`` more is taken
than at the start, whatever the machine has; other tests beside this one may take a part of that.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from functools import partial
from mmap import MAP_ANONYMOUS, MAP_POPULATE, MAP_PRIVATE, mmap
from pathlib import Path

import ray

from benchmarks.simulated_stages import SimulatedChunkStage, Simulation
from pipeline.config import RunConfig
from pipeline.executors.on_ray import RayExecutor
from pipeline.run import run
from stages.contract import Result
from stages.items import ChunkTask

ROOM, MOST, STEP = 5 << 30, 10 << 30, 64 << 20


class HungryStage(SimulatedChunkStage):
    """Takes memory at chunk 1 of one video until somebody ends it."""

    hungry = ""

    def run(self, task: ChunkTask) -> Result:
        """Take all there is, or do what the simulated stage does."""
        taken = []
        while (task.chunk.video, task.chunk.index) == (self.hungry, 1):
            taken.append(mmap(-1, STEP, flags=MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE))
            time.sleep(0.01)
            if len(taken) * STEP > MOST:
                raise RuntimeError("nobody minded")
        return super().run(task)


def make_hungry(simulation: Simulation, video: str) -> HungryStage:
    """Return the stage, hungry at this video."""
    stage = HungryStage(simulation, "sample")
    stage.hungry = video
    return stage


def main(library: Path, output: Path, workspace: Path) -> None:
    """Run, and print the report."""
    memory = {line.split(":")[0]: int(line.split()[1]) << 10 for line in Path("/proc/meminfo").read_text().splitlines()}
    taken = memory["MemTotal"] - memory["MemAvailable"]
    system = {"memory_usage_threshold": (taken + ROOM) / memory["MemTotal"], "memory_monitor_refresh_ms": 200}
    options = {"include_dashboard": False, "object_store_memory": 80 << 20, "log_to_driver": False}
    ray.init(address="local", num_cpus=4, _system_config=system, **options)
    simulation = Simulation(seconds={"sample": 0.3, "flow": 0.2, "decode": 0.2})
    (bad,) = (path for path in library.iterdir() if "hungry" in path.read_text())
    video = hashlib.sha256(bad.read_bytes()).hexdigest()[:16]
    stages = {**simulation.factories(), "sample": partial(make_hungry, simulation, video)}
    config = RunConfig.model_validate({"pools": {"sample": {"min": 2}}, "runtime": {"threads": 1}})
    report = run(config, [library], output, workspace, RayExecutor(config.pools), stages=stages)
    print(json.dumps(report.to_json()))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
