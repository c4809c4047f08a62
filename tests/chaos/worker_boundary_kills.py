"""A run on Ray whose workers kill themselves, or their raylets, once at each step of a commit: ``ROOT VICTIM PLACE``.

``PLACE`` is the folder, or the URL, that the library, the output and the workspace are in. A script, so that Ray's
workers get the stages' code with the stages. Each death is a line of ``ROOT/deaths``.
"""

from __future__ import annotations

import fcntl
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

STEPS: dict[str, dict[str, list[tuple[str, str]]]] = {
    "worker": {
        "split": [("put-done", "/chunks.json"), ("put-done", "/artifact.json")],
        "sample": [
            ("create-done", "attempts/"),
            ("put", "/sample.bin"),
            ("put", "/artifact.json"),
            ("put-done", "/artifact.json"),
            ("remove", "attempts/"),
        ],
        "assemble": [("put", ".mkv"), ("put-done", ".mkv"), ("put-done", "/artifact.json")],
    },
    "one worker": {"sample": [("put-done", "/artifact.json")]},
    "raylet": {
        "split": [("put-done", "/artifact.json")],
        "sample": [("put", "/artifact.json"), ("remove", "attempts/")],
        "assemble": [("put", ".mkv")],
    },
}
"""Who is killed -> stage -> what its worker is about to do, or has just done, with a file that has that in its name."""


def claim(said: str, deaths: Path) -> bool:
    """Write a death down before it is died; False if somebody has died of the same."""
    with deaths.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        new = said not in file.read()
        if new:
            file.write(f"{time.time()} {said}\n")
    return new


def die(victim: str) -> None:
    """Kill this process, or the raylet that started it; Ray ends the workers of a raylet that is gone."""
    if victim != "raylet":
        os.kill(os.getpid(), signal.SIGKILL)
    parent = os.getppid()
    assert Path(f"/proc/{parent}/comm").read_text() == "raylet\n"
    os.kill(parent, signal.SIGKILL)
    time.sleep(600)  # so that it does not get any further


def strike(stage: str, victim: str, deaths: Path) -> Callable[[Storage, str, str], None]:
    """Return a ``Storage.boundary`` that kills at each step where nobody has died yet."""

    def boundary(self: Storage, operation: str, name: str) -> None:
        for step in STEPS[victim][stage]:
            here = operation == step[0] and step[1] in f"{self.url}/{name}"
            if here and claim(f"{stage} {' '.join(step)}", deaths):
                die(victim)

    return boundary


def mortal(make: Callable[[], Stage[Any, Any]], victim: str, deaths: Path) -> Stage[Any, Any]:
    """Return the stage; the process that sets it up will die."""
    stage = make()

    def setup() -> None:
        Storage.boundary = strike(stage.name, victim, deaths)  # type: ignore[method-assign]

    stage.setup = setup  # type: ignore[method-assign]
    return stage


def main(root: Path, victim: str, place: str) -> None:
    """Restore the library; exit code 0 if all of it was restored."""
    deaths = root / "deaths"
    deaths.touch()
    stages = Simulation().factories()
    stages |= {name: partial(mortal, stages[name], victim, deaths) for name in STEPS[victim]}
    config = RunConfig.model_validate({"limits": {"attempts": 6}, "runtime": {"threads": 1}})
    places = [f"{place}/library"], f"{place}/restored", f"{place}/workspace"
    report = run(config, *places, RayExecutor(), stages=stages)
    sys.exit(0 if report.ok else 2)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
