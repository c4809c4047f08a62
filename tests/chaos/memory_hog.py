"""A run on the Ray cluster that RAY_ADDRESS names, and one chunk that takes more memory than its machine has.

Sampling is done on the machine whose label says that its memory is short. A script, so that Ray's workers get the
stage's code with the stage.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from functools import partial
from mmap import MAP_ANONYMOUS, MAP_POPULATE, MAP_PRIVATE, mmap
from pathlib import Path

from benchmarks.simulated_stages import SimulatedChunkStage, Simulation
from pipeline.config import RunConfig
from pipeline.executors.on_ray import RayExecutor
from pipeline.run import run
from stages.contract import Result
from stages.items import ChunkTask

MOST, STEP = 10 << 30, 64 << 20


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
    simulation = Simulation(seconds={"sample": 0.3, "flow": 0.2, "decode": 0.2})
    (bad,) = (path for path in library.iterdir() if "hungry" in path.read_text())
    video = hashlib.sha256(bad.read_bytes()).hexdigest()[:16]
    stages = {**simulation.factories(), "sample": partial(make_hungry, simulation, video)}
    pools = {"sample": {"min": 2, "labels": {"memory": "short"}}}
    config = RunConfig.model_validate({"pools": pools, "runtime": {"threads": 1}, "limits": {"attempts": 2}})
    report = run(config, [library], output, workspace, RayExecutor(config.pools), stages=stages)
    print(json.dumps(report.to_json()))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
