"""A run of simulated stages that kills itself at a boundary of its commits: ``ROOT EXECUTOR OPERATION PART NTH``.

``PART`` is what the name of the file has in it. Without the last three it runs to its end. On Ray it is the driver
alone that dies; ``OPERATION`` "publish" is when it is about to have a video assembled.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from benchmarks.simulated_stages import Simulation
from pipeline import compaction, manifest
from pipeline.config import RunConfig
from pipeline.driver import Driver
from pipeline.executors.local import LocalExecutor
from pipeline.executors.on_ray import RayExecutor
from pipeline.manifest import ManifestWriter
from pipeline.rows import AssembleRow, Row
from pipeline.run import run
from pipeline.storage import Storage

compaction.BLOCK = manifest.BLOCK = 4


def kill_at(operation: str, part: str, nth: int) -> None:
    """Have this process killed when it does that for the ``nth`` time."""
    left = nth

    def boundary(self: Storage, done: str, name: str) -> None:
        nonlocal left
        left -= done == operation and part in f"{self.url}/{name}"
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

    receive = Driver.receive

    def received(self: Driver, row: Row) -> AssembleRow | None:
        complete = receive(self, row)
        if complete is not None:
            boundary(Storage(complete.source.shown), "publish", part)
        return complete

    Storage.boundary, Driver.receive = boundary, received  # type: ignore[method-assign]


def main(root: Path, executor: str, *where: str) -> None:
    """Restore the library; exit code 0 if all of it was restored, nothing made twice."""
    written = ManifestWriter.append

    def append(self: ManifestWriter, records: list[object]) -> None:
        written(self, records)  # type: ignore[arg-type]
        self.flush()  # a part for every call, so that there is something to join
        self._compact()

    ManifestWriter.append = append  # type: ignore[assignment, method-assign]
    if where:
        kill_at(where[0], where[1], int(where[2]))
    stages = Simulation(journal=root / "journal").factories()
    config = RunConfig.model_validate({"runtime": {"threads": 1}})
    works = RayExecutor(config.pools) if executor == "ray" else LocalExecutor()
    report = run(config, [root / "library"], root / "restored", root / "workspace", works, stages=stages)
    sys.exit(0 if report.ok else 2)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
