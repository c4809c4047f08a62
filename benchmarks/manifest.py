"""The manifest at the size of a national archive: plan written, folded, and what is left to do found.

    python -m benchmarks.manifest [--chunks 10000000] [--json benchmarks/results/manifest.json]

Plan: the rows of ``chunks``, written in the manifest's schema. Then the events of split, flow, sample and decode, which
left out every hundredth chunk. Both lie in blocks of 256000 rows, as a long run's compaction leaves them, and are made
up by column: a month of work is not to be waited for (``benchmarks.driver`` measures a driver's own pace).
What is timed against the requirement: plan written, events folded as ``reelift status`` does, chunks left found.
"""

from __future__ import annotations

import argparse
import io
import os
import platform
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.record import write_result
from pipeline.compaction import BLOCK
from pipeline.fingerprint import CHUNK_STAGES
from pipeline.schemas import CHUNKS, DONE, EVENTS
from pipeline.status import fold
from pipeline.storage import Storage

PER_VIDEO, ROWS = 1000, 1000 * BLOCK
SECONDS, GIGABYTES = 90.0, 3.0
LEFT_OUT = 100
_HEX = np.frombuffer(b"0123456789abcdef", np.uint8)


def hexadecimal(count: int, digits: int, random: np.random.Generator) -> pa.Array:
    """Texts of random digits, as fingerprints are."""
    data = _HEX[random.integers(0, 16, (count, digits), np.uint8)]
    offsets = np.arange(0, (count + 1) * digits, digits, dtype=np.int32)
    return pa.StringArray.from_buffers(count, pa.py_buffer(offsets), pa.py_buffer(data.tobytes()))


def columns(table: str, first: int, count: int, stage: str, random: np.random.Generator) -> pa.Table:
    """Rows ``first`` to ``first + count`` of the plan, or of a stage's events."""
    numbers = np.arange(first, first + count)
    videos = numbers // PER_VIDEO
    names = pa.array([f"{video:016x}" for video in range(int(videos[0]), int(videos[-1]) + 1)])
    video = names.take(pa.array(videos - videos[0]))
    chunk = (numbers % PER_VIDEO).astype(np.int32)
    now = pa.array(np.full(count, 1_790_000_000_000_000) + numbers * 13_333, pa.timestamp("us", tz="UTC"))
    given: dict[str, Any] = {"video": video, "chunk": pa.array(chunk), "recorded": now, "plan": video, "started": now}
    given["fingerprint"] = hexadecimal(count, 64, random)
    if table == "chunks":
        given |= {"start": pa.array(chunk.astype(np.int64) * 25), "stop": pa.array(chunk.astype(np.int64) * 25 + 25)}
    else:
        given |= {"id": hexadecimal(count, 32, random), "seconds": pa.array(np.full(count, 20.0))}
        texts = {"stage": stage, "outcome": DONE, "worker": "host:1", "node": "host/1", "facts": "{}"}
        given |= {name: pa.repeat(pa.scalar(text), count) for name, text in texts.items()}
    schema = CHUNKS if table == "chunks" else EVENTS
    rest = {"string": "", "int32": 1, "int64": 1}
    return pa.table(
        [
            given[field.name] if field.name in given else pa.repeat(pa.scalar(rest[str(field.type)], field.type), count)
            for field in schema
        ],
        schema=schema,
    )


def write(storage: Storage, table: str, chunks: int, stages: tuple[str, ...]) -> tuple[float, int]:
    """Write blocks; return the seconds and the bytes."""
    random, block, size, started = np.random.default_rng(1), 0, 0, time.perf_counter()
    for first in range(0, chunks, ROWS):
        for stage in stages:
            rows = columns(table, first, min(ROWS, chunks - first), stage, random)
            if stage == "decode":
                rows = rows.filter(pa.array(np.asarray(rows["chunk"]) % LEFT_OUT != 0))
            sink = io.BytesIO()
            pq.write_table(rows, sink, compression="zstd")
            name = f"manifest/{table}/000001-{block * BLOCK + 1:06d}-{(block + 1) * BLOCK:06d}.parquet"
            storage.put(name, sink.getvalue())
            block, size = block + 1, size + sink.tell()
    return time.perf_counter() - started, size


def measure(chunks: int, folder: Path) -> dict[str, Any]:
    """Write, fold, and find what is left; return seconds, bytes and the peak of resident memory."""
    storage = Storage(folder)
    planned, plan_bytes = write(storage, "chunks", chunks, ("",))
    made, event_bytes = write(storage, "events", chunks, ("split", *CHUNK_STAGES))
    started = time.perf_counter()
    tally = fold(storage).tally
    folded = time.perf_counter() - started
    started = time.perf_counter()
    left = {stage: tally.undone(stage) for stage in CHUNK_STAGES}
    joined = time.perf_counter() - started
    assert tally.known() == chunks and left == {"flow": 0, "sample": 0, "decode": -(-chunks // LEFT_OUT)}, left
    return {
        "chunks": chunks,
        "events": 4 * chunks - left["decode"],
        "plan_written_s": round(planned, 1),
        "folded_s": round(folded, 1),
        "left_found_s": round(joined, 3),
        "seconds": round(planned + folded + joined, 1),
        "events_made_up_s": round(made, 1),
        "plan_bytes": plan_bytes,
        "event_bytes": event_bytes,
        "peak_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9, 2),
    }


def main() -> None:
    """Parse, measure, print, write; exit 1 if it takes longer, or more memory, than required."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--chunks", type=int, default=10_000_000)
    parser.add_argument("--json", type=Path, default=Path("benchmarks/results/manifest.json"))
    arguments = parser.parse_args()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        result = measure(arguments.chunks, Path(folder))
    result["passed"] = result["seconds"] <= SECONDS and result["peak_gb"] <= GIGABYTES
    result["machine"] = {"system": platform.platform(), "cores": os.cpu_count(), "load_before": round(load, 1)}
    result["measured"] = time.strftime("%Y-%m-%d")
    write_result(arguments.json, result)
    for name, value in result.items():
        print(f"{name:18} {value}")
    sys.exit(0 if result["passed"] else 1)


if __name__ == "__main__":
    main()
