"""A run that is refused is refused before anything is made, and says so without waiting for Ray."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from benchmarks.simulated_stages import SimulatedChunkStage, Simulation
from pipeline.config import RunConfig
from pipeline.epoch import BusyError, Epoch
from pipeline.executors.cautious import CautiousExecutor
from pipeline.executors.local import LocalExecutor
from pipeline.executors.on_ray import RayExecutor
from pipeline.report import RunReport
from pipeline.run import check
from pipeline.storage import Storage
from pipeline.workspace import ChangedError
from pipeline.wrapper import SetupError

Restore = Callable[..., RunReport]


def test_a_refused_run_leaves_no_empty_folders(restore: Restore, tmp_path: Path) -> None:
    restore()
    there = sorted(tmp_path.rglob("*"))
    with pytest.raises(ChangedError):
        restore(config=RunConfig(seed=7), output=tmp_path / "elsewhere")
    assert sorted(tmp_path.rglob("*")) == there
    Epoch.claim(Storage(tmp_path / "workspace"))
    there = sorted(tmp_path.rglob("*"))
    with pytest.raises(BusyError, match=r"another run is at work on this workspace .*; wait for it to end$"):
        restore(output=tmp_path / "elsewhere")
    assert sorted(tmp_path.rglob("*")) == there


class GpuStage(SimulatedChunkStage):
    """A stage whose device is not on this machine."""

    def check(self, here: bool) -> None:
        if here:
            raise ValueError("runtime.device: no such device here")


def test_a_device_is_asked_for_where_the_stages_will_run(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RAY_ADDRESS", "RAY_JOB_CONFIG_JSON_ENV_VAR"):
        monkeypatch.delenv(name, raising=False)
    factories = {**Simulation().factories(), "sample": partial(GpuStage, Simulation(), "sample")}
    with pytest.raises(SetupError, match=r"^stage sample cannot start: runtime\.device: no such device here$"):
        check(factories, here=True)
    check(factories, here=False)
    assert LocalExecutor().here and CautiousExecutor().here and RayExecutor().here
    assert not RayExecutor(address="10.0.0.1:6379").here
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    assert not RayExecutor().here


@pytest.mark.parametrize(("output", "workspace"), [("run/restored", "run"), ("restored", "restored/.run")])
def test_results_and_record_may_lie_one_inside_the_other(
    restore: Restore, tmp_path: Path, output: str, workspace: str
) -> None:
    places = {"output": tmp_path / output, "workspace": tmp_path / workspace}
    assert restore(**places).ok
    again = restore(**places)
    assert again.ok and not again.computed()
    assert all((tmp_path / output / f"{name}.mkv").is_file() for name in ("a/one", "two", "three"))
