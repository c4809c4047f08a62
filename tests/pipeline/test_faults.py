from __future__ import annotations

from pathlib import Path

import pytest
import torch

from benchmarks.simulated_stages import SimulatedChunkStage, Simulation
from models.out_of_memory import out_of_memory
from pipeline.faults import device_lost
from pipeline.fingerprint import STAGES, Identity, Recipe
from pipeline.job import Job
from pipeline.rows import ChunkRow
from pipeline.schemas import Event, Record
from pipeline.wrap_chunk import ChunkWorker
from stages.items import Chunk

CHUNK = Chunk("0" * 16, 0, 0, 0, 5)


@pytest.mark.parametrize(
    ("error", "memory", "device"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), True, False),
        (RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB"), True, False),
        (RuntimeError("CUDA error: out of memory"), True, False),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"), True, False),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True, False),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), True, False),
        (MemoryError(), True, False),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), False, True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"), False, True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm`"), False, True),
        (RuntimeError("the sizes of tensors must match"), False, False),
        (ValueError("out of memory"), False, False),
    ],
)
def test_what_an_error_says_about_the_device(error: Exception, memory: bool, device: bool) -> None:
    assert (out_of_memory(error), device_lost(error)) == (memory, device)


class Nodes:
    """A cluster whose machine ``gone`` has left."""

    def is_gone(self, node: str) -> bool:
        return node == "gone"


def test_a_machine_that_went_away_is_not_charged_to_the_item(tmp_path: Path) -> None:
    stages = {name: SimulatedChunkStage(Simulation(), name) for name in STAGES}
    recipe = Recipe({name: Identity.of(stage) for name, stage in stages.items()})
    job = Job(str(tmp_path / "w"), str(tmp_path / "o"), 1, recipe, attempts=2, timeouts={"sample": 60.0})
    told: list[Record] = []
    worker = ChunkWorker(stages["sample"], job, told.extend, cluster=Nodes())
    row = ChunkRow("a.mp4", "0" * 64, CHUNK)
    fingerprint = recipe.chunk(row.content, CHUNK)["sample"]
    for number in range(5):
        worker.accounts.attempts.begin(fingerprint, f"w{number}", "gone", 1.0)
    worker.accounts.attempts.begin(fingerprint, "w5", "there", 1.0)
    for stage in ("split", "flow"):
        folder = tmp_path / stage
        folder.mkdir()
        (folder / f"{stage}.bin").write_text("x")
        worker.artifacts.commit(stage, recipe.chunk(row.content, CHUNK)[stage], folder, {})
    assert worker.run(row).failed == ""
    events = [record for record in told if isinstance(record, Event)]
    assert [event.outcome for event in events] == ["preempted"] * 5 + ["died", "done"]
    assert [event.worker for event in events[:6]] == [f"w{number}" for number in range(6)]
    assert [event.attempt for event in events] == [1, 2, 3, 4, 5, 6, 7]
