"""A run on the Ray cluster that RAY_ADDRESS names; sampling the second chunk of one video kills whoever does it.

That video is the one that holds the word poison. A script, so that Ray's workers get the stage's code with the stage.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
from functools import partial
from pathlib import Path

from benchmarks.simulated_stages import SimulatedChunkStage, Simulation
from pipeline.config import RunConfig
from pipeline.executors.on_ray import RayExecutor
from pipeline.run import run
from stages.contract import Result
from stages.items import ChunkTask


class PoisonedStage(SimulatedChunkStage):
    """Kills its own process at chunk 1 of one video."""

    poisoned = ""

    def run(self, task: ChunkTask) -> Result:
        """Die, or do what the simulated stage does."""
        if (task.chunk.video, task.chunk.index) == (self.poisoned, 1):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().run(task)


def make_poisoned(simulation: Simulation, video: str) -> PoisonedStage:
    """Return the stage, poisoned at this video."""
    stage = PoisonedStage(simulation, "sample")
    stage.poisoned = video
    return stage


def main(library: Path, output: Path, workspace: Path) -> None:
    """Run, and print the report."""
    simulation = Simulation(seconds={"sample": 0.2})
    (bad,) = (path for path in library.iterdir() if "poison" in path.read_text())
    video = hashlib.sha256(bad.read_bytes()).hexdigest()[:16]
    stages = {**simulation.factories(), "sample": partial(make_poisoned, simulation, video)}
    config = RunConfig.model_validate({"pools": {"sample": {"min": 2}}})
    report = run(config, [library], output, workspace, RayExecutor(config.pools), stages=stages)
    print(json.dumps(report.to_json()))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
