"""A run of the cheap stages on the Ray cluster that RAY_ADDRESS names, which speaks and ends as ``restore`` does.

A script beside the stages' module, because Ray's workers look for code where the driver's script lies.
"""

from __future__ import annotations

from pathlib import Path

import typer
from cheap_stages import cheap_stages

from jobs.outcome import conclude
from jobs.running import running
from pipeline.config import RunConfig
from pipeline.executors.on_ray import RayExecutor
from pipeline.run import run

CONFIG = RunConfig.model_validate({"split": {"chunk_frames": 6, "overlap_frames": 1}, "runtime": {"threads": 1}})


def main(library: Path, output: Path, workspace: Path) -> None:
    """Restore the library."""
    with running() as progress:
        executor = RayExecutor(CONFIG.pools)
        report = run(CONFIG, [library], output, workspace, executor, progress, stages=cheap_stages(CONFIG))
    raise typer.Exit(conclude(report, as_json=False))


if __name__ == "__main__":
    typer.run(main)
