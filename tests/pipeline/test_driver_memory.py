"""What a driver keeps in memory does not grow with what it has done: some words per source, a bit per chunk-stage."""

from __future__ import annotations

import gc
import tracemalloc
from pathlib import Path

import pytest

from pipeline.driver import Driver
from pipeline.epoch import Epoch
from pipeline.fingerprint import CHUNK_STAGES
from pipeline.manifest import ManifestWriter
from pipeline.rows import ChunkRow, DoneRow, SourceRow, VideoRow
from pipeline.schemas import DONE, GAVE_UP, RETRIED, Event, Record, VideoRecord
from pipeline.storage import Storage
from stages.items import Chunk

A_SOURCE, A_CHUNK_STAGE = 6000, 1
SLACK = 60_000
"""What Python keeps of freed objects for the next of their kind."""


def settle(driver: Driver, source: SourceRow, chunks: int, fails: bool) -> None:
    """Take a video through all stages as the executors do; its chunks are tried twice each if it fails."""
    name, video = source.shown, source.sha256[:16]
    driver.record([VideoRecord(name, name, video, source.sha256, chunks=chunks)])
    for index in range(chunks):
        chunk = Chunk(video, index, 0, index * 10, index * 10 + 10)
        rows: list[Record] = []
        for stage in ("split", *CHUNK_STAGES):
            more = {"video": video, "chunk": index, "plan": "p" * 64, "fingerprint": f"{stage}{name}{index}" * 4}
            if fails and stage == "sample":
                rows += [Event(stage, RETRIED, attempt=each, traceback="x" * 2000, **more) for each in (1, 2)]
            last = stage == "decode" and fails and index == 0
            rows.append(Event(stage, GAVE_UP if last else DONE, bytes=1000, **more))
        driver.record(rows)
        driver.receive(ChunkRow(name, source.sha256, chunk, "decode" if fails and index == 0 else ""))
    complete = driver.receive(VideoRow(source, "split", chunks))
    if complete is not None:
        driver.record([Event("assemble", DONE, video=video, source=name)])
        driver.receive(DoneRow(name, "done"))


def kept(folder: Path, videos: int, chunks: int, fails: bool = False) -> int:
    """Bytes of Python's own that a driver holds when so many videos are settled."""
    sources = [
        SourceRow(f"v{number}", f"v{number}", f"v{number}", 1, "", f"{number:016d}" * 4) for number in range(videos)
    ]
    storage = Storage(folder / f"{videos}-{chunks}-{fails}")
    gc.collect()
    tracemalloc.start()
    writer = ManifestWriter(storage, Epoch.claim(storage))
    driver = Driver(writer, {source.shown: 1 for source in sources})
    for source in sources:
        settle(driver, source, chunks, fails)
    writer.flush()
    gc.collect()
    size = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert set(driver.states.values()) == {"failed" if fails else "done"} and len(driver.states) == videos
    return size


@pytest.mark.parametrize("fails", [False, True])
def test_it_does_not_grow_with_the_chunks_of_a_library(tmp_path: Path, fails: bool) -> None:
    kept(tmp_path, 1, 5, fails)  # what is made once
    few, many, long = kept(tmp_path, 5, 20, fails), kept(tmp_path, 25, 20, fails), kept(tmp_path, 5, 200, fails)
    assert many - few < 20 * A_SOURCE + SLACK, f"{(many - few) / 20:.0f} bytes per source"
    assert long - few < 5 * 180 * 4 * A_CHUNK_STAGE + SLACK, (
        f"{(long - few) / 5 / 180 / 4:.2f} bytes per chunk and stage"
    )
