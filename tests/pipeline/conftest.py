from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.simulated_stages import Simulation
from pipeline.config import RunConfig
from pipeline.report import RunReport
from pipeline.run import run


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """Three videos of 3, 2 and 1 chunks."""
    folder = tmp_path / "library"
    (folder / "a").mkdir(parents=True)
    (folder / "a" / "one.mp4").write_text("25 one")
    (folder / "two.mp4").write_text("20 two")
    (folder / "three.mov").write_text("3 three")
    return folder


@pytest.fixture
def restore(tmp_path: Path, library: Path) -> Callable[..., RunReport]:
    """Run the simulated stages over the library."""

    def call(simulation: Simulation | None = None, inputs: Any = None, **options: Any) -> RunReport:
        simulation = simulation or Simulation(journal=tmp_path / "journal")
        return run(
            options.pop("config", RunConfig()),
            inputs or [library],
            options.pop("output", tmp_path / "restored"),
            options.pop("workspace", tmp_path / "workspace"),
            stages=simulation.factories(),
            **options,
        )

    return call
