"""A run on Ray whose workers kill themselves, once each, at the steps of their commits: ``ROOT``.

A script, so that Ray's workers get the stages' code with the stages. Each death is a line of ``ROOT/deaths``.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.simulated_stages import Simulation
from pipeline.config import RunConfig
from pipeline.executors.on_ray import RayExecutor
from pipeline.run import run
from pipeline.storage import Storage
from stages.contract import Stage

STEPS = {
    "split": [("put-done", "/chunks.json"), ("put-done", "/artifact.json")],
    "sample": [
        ("create-done", "attempts/"),
        ("put", "/sample.bin"),
        ("put", "/artifact.json"),
        ("put-done", "/artifact.json"),
        ("remove", "attempts/"),
    ],
    "assemble": [("put", ".mkv"), ("put-done", ".mkv"), ("put-done", "/artifact.json")],
}
"""Stage -> what its worker is about to do, or has just done, with a file whose name has that in it."""


def strike(stage: str, deaths: Path) -> Callable[[Storage, str, str], None]:
    """Return a ``Storage.boundary`` that kills this process at each step where nobody has died yet."""

    def boundary(self: Storage, operation: str, name: str) -> None:
        for step in STEPS[stage]:
            said = f"{stage} {' '.join(step)}"
            if operation == step[0] and step[1] in f"{self.url}/{name}" and said not in deaths.read_text():
                with deaths.open("a") as file:
                    file.write(f"{time.time()} {said}\n")
                os.kill(os.getpid(), signal.SIGKILL)

    return boundary


def mortal(make: Callable[[], Stage[Any, Any]], deaths: Path) -> Stage[Any, Any]:
    """Return the stage; the process that sets it up will die."""
    stage = make()

    def setup() -> None:
        Storage.boundary = strike(stage.name, deaths)  # type: ignore[method-assign]

    stage.setup = setup  # type: ignore[method-assign]
    return stage


def main(root: Path) -> None:
    """Restore the library; exit code 0 if all of it was restored."""
    deaths = root / "deaths"
    deaths.touch()
    stages = Simulation().factories()
    stages |= {name: partial(mortal, stages[name], deaths) for name in STEPS}
    config = RunConfig.model_validate({"limits": {"attempts": 6}, "runtime": {"threads": 1}})
    report = run(config, [root / "library"], root / "restored", root / "workspace", RayExecutor(), stages=stages)
    sys.exit(0 if report.ok else 2)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
