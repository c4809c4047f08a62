"""A run of simulated stages on the Ray cluster that RAY_ADDRESS names: ``ROOT [--calm] [--takeover]``.

A script, so that it can be killed. Stages fail here and there, unless they are to be calm.
"""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.simulated_stages import Simulation
from pipeline.config import RunConfig
from pipeline.epoch import BusyError, FencedError
from pipeline.executors.on_ray import RayExecutor
from pipeline.run import run


def main(root: Path, *options: str) -> None:
    """Restore the library; exit code 0 if all videos were, 1 if another run is or was at work."""
    faults = {("flow", 1): "hang", ("sample", 2): "device", ("decode", 3): "once"} if "--calm" not in options else {}
    seconds = {"split": 0.05, "flow": 0.1, "sample": 0.4, "decode": 0.1}
    stages = Simulation(journal=root / "journal", faults=faults, seconds=seconds).factories()
    limits = {"attempts": 10, "timeouts": {"flow": 4.0}}
    config = RunConfig.model_validate({"pools": {"sample": {"min": 2}}, "limits": limits, "runtime": {"threads": 1}})
    executor = RayExecutor(config.pools)
    places = [root / "library"], root / "restored", root / "workspace"
    try:
        report = run(config, *places, executor, stages=stages, takeover="--takeover" in options)
    except (BusyError, FencedError) as error:
        sys.exit(f"error: {error}")
    print(report.summary(), flush=True)
    sys.exit(0 if report.ok else 2)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
