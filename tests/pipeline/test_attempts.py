from __future__ import annotations

from pathlib import Path

from benchmarks.simulated_stages import SimulatedChunkStage, Simulation
from pipeline.attempts import Attempts
from pipeline.fingerprint import STAGES, Identity, Recipe
from pipeline.job import Job
from pipeline.rows import ChunkRow
from pipeline.schemas import Record
from pipeline.storage import Storage
from pipeline.wrap_chunk import ChunkWorker
from stages.items import Chunk


def test_attempts_are_counted_per_item_and_epoch(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    old, new = Attempts(storage, 1), Attempts(storage, 2)
    assert [old.begin("a", "w", "n", 0.0).number for _ in range(3)] == [1, 2, 3]
    assert old.begin("b", "w", "n", 0.0).number == 1
    assert new.past("a") == [] and len(old.past("a")) == 3
    old.end("a", old.past("a")[0], "retried", "id")
    assert [attempt.outcome for attempt in old.past("a")] == ["retried", "", ""]
    assert new.first("a", "w", "n", 0.0) and new.first("a", "v", "n", 0.0) is None
    old.clear()
    assert old.past("a") == [] and len(new.past("a")) == 1
    new.forget("a", new.past("a")[-1])
    assert new.past("a") == []


def test_a_marker_that_cannot_be_read_counts(tmp_path: Path) -> None:
    attempts = Attempts(Storage(tmp_path), 1)
    attempts.storage.put("attempts/1/a/1.json", b"")
    assert len(attempts.past("a")) == 1 and attempts.begin("a", "w", "n", 0.0).number == 2


def test_two_sources_cannot_claim_one_video(tmp_path: Path) -> None:
    attempts = Attempts(Storage(tmp_path), 1)
    assert attempts.claim("plan", "a.mp4") and attempts.claim("plan", "a.mp4")
    assert not attempts.claim("plan", "b.mp4")
    assert Attempts(attempts.storage, 2).claim("plan", "b.mp4")


def worker(tmp_path: Path, epoch: int, seen: list[Record]) -> ChunkWorker:
    simulation = Simulation()
    stage = SimulatedChunkStage(simulation, "flow")
    recipe = Recipe({name: Identity(name, {}, "") for name in STAGES})
    job = Job(str(tmp_path / "w"), str(tmp_path / "o"), epoch, recipe)
    made = ChunkWorker(stage, job, seen.extend)
    folder = tmp_path / "made"
    folder.mkdir(exist_ok=True)
    (folder / "frames.mkv").write_text("x")
    made.artifacts.commit("split", recipe.chunk("ab", CHUNK)["split"], folder, {})
    return made


CHUNK = Chunk("0" * 16, 0, 0, 0, 10)


def test_an_item_whose_workers_died_is_given_up_and_the_deaths_are_told_once(tmp_path: Path) -> None:
    seen: list[Record] = []
    flow = worker(tmp_path, 1, seen)
    own = flow.job.recipe.chunk("ab", CHUNK)["flow"]
    for _ in range(3):
        flow.accounts.attempts.begin(own, "dead worker", "node", 1.0)
    row = flow.run(ChunkRow("a.mp4", "ab", CHUNK))
    assert row.failed == "flow"
    assert [getattr(event, "outcome", "") for event in seen] == ["died", "died", "died", "gave_up"]
    assert flow.run(row) == row and len(seen) == 4
    flow.run(ChunkRow("a.mp4", "ab", CHUNK))
    assert [getattr(event, "outcome", "") for event in seen[4:]] == ["gave_up"]


def test_attempts_of_a_dead_driver_weigh_nothing(tmp_path: Path) -> None:
    seen: list[Record] = []
    own = worker(tmp_path, 1, seen).job.recipe.chunk("ab", CHUNK)["flow"]
    old = Attempts(Storage(tmp_path / "w"), 1)
    for _ in range(3):
        old.begin(own, "dead worker", "node", 1.0)
    assert worker(tmp_path, 2, seen).run(ChunkRow("a.mp4", "ab", CHUNK)).failed == ""
    assert [getattr(event, "attempt", 0) for event in seen] == [1]
