"""How much of the slowest pool's time the pipeline wastes: simulated stages on Ray, each a sleep of known length.

    python -m benchmarks.pipeline [--chunks 60] [--json benchmarks/results/pipeline.json]

Steady state is the time from when every worker of the slowest pool has begun its first chunk to when its last chunk has
begun. Busy is the share of that time which the pool's workers spend inside the stage: look-ups, commits and waiting for
work count as idle. Busy of the slowest pool is the pipeline's throughput over the throughput of the bare stage.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from benchmarks.record import write_result
from benchmarks.simulated_stages import Simulation
from pipeline import manifest
from pipeline.config import RunConfig
from pipeline.executors.on_ray import RayExecutor
from pipeline.run import run
from pipeline.schemas import DONE
from pipeline.storage import Storage

SECONDS = {"split": 0.2, "flow": 0.4, "sample": 1.0, "decode": 0.3}
WORKERS = {"split": 1, "flow": 1, "sample": 2, "decode": 1}
REQUIRED = 0.97


def measure(chunks: int, videos: int = 3) -> dict[str, Any]:
    """Run the simulated stages over a library and return what the manifest says about every pool."""
    config = RunConfig.model_validate(
        {"pools": {stage: {"min": count} for stage, count in WORKERS.items()}, "runtime": {"threads": 1}}
    )
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "library"
        library.mkdir()
        for number in range(videos):
            share = chunks // videos + (number < chunks % videos)
            (library / f"{number}.mp4").write_text(f"{share * 10} video {number}")
        executor = RayExecutor(config.pools)
        try:
            report = run(
                config,
                [library],
                Path(folder) / "restored",
                Path(folder) / "workspace",
                executor,
                stages=Simulation(seconds=SECONDS).factories(),
            )
        finally:
            executor.close()
        if not report.ok:
            raise SystemExit(f"the simulated run failed: {report.summary()}")
        spans = _spans(Path(folder) / "workspace")
    return {"seconds": report.seconds, "chunks": chunks, "pools": _pools(spans)}


def _spans(workspace: Path) -> dict[str, list[tuple[float, float]]]:
    """Return stage -> sorted (begin, end) of every chunk, in seconds since 1970."""
    spans: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for table in manifest.read(Storage(workspace), "events"):
        for event in table.to_pylist():
            if event["chunk"] >= 0 and event["outcome"] == DONE:
                begin = event["started"].timestamp()
                if event["stage"] == "split":  # one attempt covers the whole video; the chunk is its last part
                    begin = event["recorded"].timestamp() - event["seconds"]
                spans[event["stage"]].append((begin, begin + event["seconds"]))
    return {stage: sorted(found) for stage, found in spans.items()}


def _pools(spans: dict[str, list[tuple[float, float]]]) -> dict[str, dict[str, float]]:
    pools = {}
    slowest = max(SECONDS, key=lambda stage: SECONDS[stage] / WORKERS[stage])
    begin, end = spans[slowest][WORKERS[slowest] - 1][0], spans[slowest][-1][0]
    for stage, found in spans.items():
        inside = sum(max(0.0, min(start + SECONDS[stage], end) - max(start, begin)) for start, _ in found)
        pools[stage] = {
            "workers": WORKERS[stage],
            "stage_seconds": SECONDS[stage],
            "bound_chunks_per_second": round(WORKERS[stage] / SECONDS[stage], 3),
            "busy": round(inside / (WORKERS[stage] * (end - begin)), 4),
            "overhead_ms": round(1000 * (sum(b - a for a, b in found) / len(found) - SECONDS[stage]), 1),
            "slowest": float(stage == slowest),
        }
    return pools


def main() -> None:
    """Parse, measure, print, write; exit 1 if the slowest pool is idle more than 3 % of the steady state."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--chunks", type=int, default=60)
    parser.add_argument("--json", type=Path, default=Path("benchmarks/results/pipeline.json"))
    arguments = parser.parse_args()
    result = measure(arguments.chunks)
    print(f"{'pool':8} {'workers':>7} {'stage s':>8} {'bound /s':>9} {'busy':>7} {'overhead ms':>12}")
    for stage, pool in result["pools"].items():
        mark = "  <- slowest" if pool["slowest"] else ""
        print(
            f"{stage:8} {pool['workers']:7} {pool['stage_seconds']:8.2f} {pool['bound_chunks_per_second']:9.2f} "
            f"{pool['busy']:7.1%} {pool['overhead_ms']:12.1f}{mark}"
        )
    busy = next(pool["busy"] for pool in result["pools"].values() if pool["slowest"])
    result |= {
        "slowest_busy": busy,
        "required": REQUIRED,
        "passed": busy >= REQUIRED,
        "measured": time.strftime("%Y-%m-%d"),
        "machine": {"system": platform.platform(), "cores": os.cpu_count()},
    }
    write_result(arguments.json, result)
    print(f"{result['chunks']} chunks in {result['seconds']:.1f} s, Ray's start included")
    print(f"slowest pool busy {busy:.1%} of the steady state (required {REQUIRED:.0%}); written to {arguments.json}")
    sys.exit(0 if result["passed"] else 1)


if __name__ == "__main__":
    main()
