"""A calibration read off a run of weeks takes no more memory than one of an afternoon."""

from __future__ import annotations

import gc
import tracemalloc
from pathlib import Path

from pipeline.config import RunConfig
from pipeline.epoch import Epoch
from pipeline.fingerprint import CHUNK_STAGES, Recipe
from pipeline.manifest import ManifestWriter
from pipeline.planning.reading_off import measure
from pipeline.run import make_recipe
from pipeline.schemas import DONE, ChunkRecord, Event, VideoRecord
from pipeline.stage_factories import stage_factories
from pipeline.storage import Storage
from stages.media.table import TABLE_NAME, FrameTable

SHA256, CHUNKS = "5e" * 32, 500
WORKERS = ("a:1", "a:2")


def written(folder: Path, recipe: Recipe, rounds: int) -> Storage:
    """The manifest of a run that made all chunks of one video so many times."""
    storage = Storage(folder)
    facts = {"first": 0, "time_base": "1/25", "pts": (0,), "durations": (1,), "width": 64, "height": 48}
    facts |= {"pix_fmt": "yuv420p", "rate": "25", "colour": {"matrix": 1, "range": 1}}
    own = "c4" * 32
    storage.put(f"artifacts/split/c4/{own}/{TABLE_NAME}", FrameTable.model_validate(facts).model_dump_json().encode())
    writer = ManifestWriter(storage, Epoch.claim(storage), flush_rows=CHUNKS)
    plan, video = recipe.plan(SHA256, "tape"), SHA256[:16]
    writer.append([VideoRecord("tape", "tape", video, SHA256, chunks=CHUNKS)])
    writer.append([ChunkRecord(video, plan["split"], own, n, 0, 10 * n, 10 * n + 10, 0, 0) for n in range(CHUNKS)])
    for _ in range(rounds):
        for stage in ("split", *CHUNK_STAGES):
            more = {"stage": stage, "outcome": DONE, "video": video, "plan": plan[stage], "bytes": 100}
            first = [Event(**more, chunk=n, seconds=9.0, worker=worker) for n, worker in enumerate(WORKERS)]
            writer.append([*first, *(Event(**more, chunk=n, seconds=1.0, worker=WORKERS[0]) for n in range(2, CHUNKS))])
    writer.append([Event("assemble", DONE, video=video, plan=plan["assemble"], seconds=50.0, worker="b:1", bytes=7)])
    writer.close()
    return storage


def peak(storage: Storage, config: RunConfig, recipe: Recipe) -> int:
    """Bytes of Python's own that it takes at most."""
    gc.collect()
    tracemalloc.start()
    measure(storage, config, recipe)
    size = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return size


def test_each_workers_first_chunk_is_left_out_where_it_made_others(tmp_path: Path) -> None:
    config = RunConfig()
    recipe = make_recipe(stage_factories(config))
    found = {each.stage: each for each in measure(written(tmp_path, recipe, 1), config, recipe)}
    assert (found["split"].frames, found["split"].seconds) == (10 * CHUNKS, 9.0 * 2 + CHUNKS - 2)
    for stage in CHUNK_STAGES:  # the second worker made but one
        assert (found[stage].frames, found[stage].seconds) == (10 * (CHUNKS - 1), 9.0 + CHUNKS - 2)
    assert (found["assemble"].frames, found["assemble"].seconds, found["assemble"].bytes) == (10 * CHUNKS, 50.0, 7)


def test_memory_does_not_grow_with_the_events(tmp_path: Path) -> None:
    config = RunConfig()
    recipe = make_recipe(stage_factories(config))
    few, many = (written(tmp_path / str(rounds), recipe, rounds) for rounds in (2, 22))
    peak(few, config, recipe)
    more = peak(many, config, recipe) - peak(few, config, recipe)
    assert more < 20 * 4 * CHUNKS * 20, f"{more / (20 * 4 * CHUNKS):.0f} bytes an event"
