"""A local run of simulated stages that kills itself at a boundary of its commits: ``ROOT OPERATION PART NTH``.

``PART`` is what the name of the file has in it. Without the last three it runs to its end.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from benchmarks.simulated_stages import Simulation
from pipeline import compaction, manifest
from pipeline.config import RunConfig
from pipeline.manifest import ManifestWriter
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

    Storage.boundary = boundary  # type: ignore[method-assign]


def main(root: Path, *where: str) -> None:
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
    report = run(RunConfig(), [root / "library"], root / "restored", root / "workspace", stages=stages)
    sys.exit(0 if report.ok else 2)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
