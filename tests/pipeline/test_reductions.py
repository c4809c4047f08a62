"""What a stage did with less when the device's memory was short is told, and charged to nobody."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from rich.console import Console
from whole_jobs import events

from benchmarks.simulated_stages import SimulatedChunkStage, Simulation
from jobs.status import picture
from models.memory import Shrinking
from pipeline.config import RunConfig
from pipeline.report import RunReport
from pipeline.run import run
from pipeline.status import status
from stages.contract import Result
from stages.items import ChunkTask

Restore = Callable[..., RunReport]


class GreedyStage(SimulatedChunkStage):
    """Begins every second chunk with a batch of 8, of which so many fit."""

    room = 0

    def run(self, task: ChunkTask) -> Result:
        def call(batch: int) -> None:
            if batch > self.room:
                raise torch.OutOfMemoryError("CUDA out of memory")

        if task.chunk.index % 2:
            Shrinking("sample.batch", 8)(call, 8)
        return super().run(task)


def make_greedy(room: int) -> GreedyStage:
    stage = GreedyStage(Simulation(), "sample")
    stage.room = room
    return stage


def restored(tmp_path: Path, library: Path, room: int) -> RunReport:
    stages = {**Simulation().factories(), "sample": partial(make_greedy, room)}
    config = RunConfig.model_validate({"limits": {"attempts": 1}})
    return run(config, [library / "a"], tmp_path / "restored", tmp_path / "workspace", stages=stages)


def test_a_smaller_batch_is_an_event_that_costs_no_attempt(tmp_path: Path, library: Path) -> None:
    assert restored(tmp_path, library, 2).ok
    rows = [row for row in events(tmp_path / "workspace") if (row["stage"], row["chunk"]) == ("sample", 1)]
    rows.sort(key=lambda row: row["recorded"])
    assert [(row["outcome"], row["attempt"], row["message"]) for row in rows] == [
        ("reduced", 1, "out of memory with sample.batch: 8; going on with 4"),
        ("reduced", 1, "out of memory with sample.batch: 4; going on with 2"),
        ("done", 1, ""),
    ]
    assert {row["error_class"] for row in rows} == {"OutOfMemoryError", ""}
    state = status(str(tmp_path / "workspace"))
    assert state["stages"]["sample"]["events"] == {"done": 3, "reduced": 2}
    console = Console(width=200)
    with console.capture() as captured:
        console.print(picture(state))
    assert "not at the first try: sample 2 reduced" in captured.get()


def test_what_does_not_fit_at_all_tells_all_that_was_tried(tmp_path: Path, library: Path) -> None:
    (failure,) = restored(tmp_path, library, 0).failures
    assert (failure.stage, failure.chunk, failure.attempts) == ("sample", 1, 1)
    assert failure.error_class == "OutOfMemoryError"
    assert status(str(tmp_path / "workspace"))["stages"]["sample"]["events"] == {"done": 2, "gave_up": 1, "reduced": 3}
