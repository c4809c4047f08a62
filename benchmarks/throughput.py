"""The pipeline's throughput over that of the bare networks: the sample clip with the default settings, both ways.

    python -m benchmarks.throughput [--chunk-frames 20] [--json benchmarks/results/throughput.json]

Bare: flow, sample and decode one after the other in one process, chunk by chunk, with nothing around them. Piped: a
run on a Ray of its own, with artifacts, digests, manifest, split and assemble. Both compute the same chunks, with as
many threads a worker and in a worker's environment; the first chunk warms up and is not counted, nor is anything
before it.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from benchmarks.machine import machine
from benchmarks.record import given, write_result
from pipeline import manifest
from pipeline.config import RunConfig
from pipeline.executors.base import StageFactory, fix_threads
from pipeline.executors.memory import WORKER_ENVIRONMENT
from pipeline.executors.on_ray import RayExecutor
from pipeline.fingerprint import CHUNK_STAGES
from pipeline.run import run
from pipeline.schemas import DONE
from pipeline.searching import InputError
from pipeline.stage_factories import stage_factories
from pipeline.storage import Storage
from stages.contract import Stage
from stages.items import ChunkTask, SplitChunk, SplitTask

Stages = Mapping[str, StageFactory]
SAMPLE = Path(__file__).parent.parent / "samples" / "city.mkv"


def tasks(
    chain: Iterable[Stage[Any, Any]], made: SplitChunk, folder: Path
) -> Iterator[tuple[Stage[Any, Any], ChunkTask]]:
    """Each stage with its task for one chunk, to be run before the next is asked for."""
    assert made.folder is not None, "its files are wanted"
    inputs = {"split": made.folder}
    for stage in chain:
        inputs[stage.name] = _new(folder / stage.name / str(made.chunk.index))
        yield stage, ChunkTask(made.chunk, dict(inputs), inputs[stage.name])


def bare(config: RunConfig, stages: Stages, source: Path, folder: Path) -> dict[str, float]:
    """Frames (those that chunks share count in each) and seconds of all chunks but the first, without a pipeline."""
    fix_threads(config.runtime.threads)
    split, *chain = (stages[name]() for name in ("split", *CHUNK_STAGES))
    for stage in (split, *chain):
        stage.setup()
    ends, lengths = [], []
    for made in list(split.run(SplitTask("0" * 16, source, _new(folder / "split")))):
        for stage, task in tasks(chain, made, folder):
            stage.run(task)
        ends.append(time.perf_counter())
        lengths.append(len(made.chunk))
    for stage in (split, *chain):
        stage.teardown()
    return {"frames": sum(lengths[1:]), "seconds": ends[-1] - ends[0]}


def piped(config: RunConfig, stages: Stages, source: Path, folder: Path) -> dict[str, float]:
    """The same by a run on Ray: from when the first chunk was decoded to when the last one was."""
    executor = RayExecutor(config.pools)
    try:
        report = run(config, [source], folder / "restored", folder / "workspace", executor, stages=stages)
    finally:
        executor.close()
    if not report.ok:
        raise SystemExit(f"the run failed: {report.summary()}")
    storage = Storage(folder / "workspace")
    chunks = [row for table in manifest.read(storage, "chunks") for row in table.to_pylist()]
    events = [row for table in manifest.read(storage, "events") for row in table.to_pylist()]
    ends = {
        row["chunk"]: row["recorded"].timestamp()
        for row in events
        if row["stage"] == "decode" and row["outcome"] == DONE and row["chunk"] >= 0
    }
    first = min(ends, key=ends.__getitem__)
    frames = sum(row["stop"] - row["start"] for row in chunks if row["chunk"] != first)
    return {"frames": frames, "seconds": max(ends.values()) - ends[first], "whole_seconds": report.seconds}


def _new(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command's options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.throughput", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--source", type=Path, default=SAMPLE, help="a video")
    parser.add_argument("--chunk-frames", type=int, default=20, help="short chunks, so that there are several")
    parser.add_argument("--json", type=Path, help="write the result there, too")
    return parser.parse_args(arguments)


def configuration(options: argparse.Namespace) -> RunConfig:
    """The default settings, in chunks of the length asked for."""
    return RunConfig.model_validate({"split": {"chunk_frames": options.chunk_frames}})


def measure(config: RunConfig, stages: Stages, source: Path) -> dict[str, Any]:
    """Both ways, and the ratio of their frames per second."""
    # What the environment says of memory and threads must be there when a process starts.
    os.environ.update(WORKER_ENVIRONMENT)
    with (
        tempfile.TemporaryDirectory(prefix="throughput-") as folder,
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process,
    ):
        ways = {
            "piped": piped(config, stages, source, _new(Path(folder) / "piped")),
            "bare": process.submit(bare, config, stages, source, _new(Path(folder) / "bare")).result(),
        }
    rates = {name: way["frames"] / way["seconds"] for name, way in ways.items()}
    if ways["piped"]["frames"] != ways["bare"]["frames"]:
        raise SystemExit(f"not the same chunks: {ways}")
    return {**ways, "frames_per_second": rates, "ratio": rates["piped"] / rates["bare"]}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print, write."""
    options = parse(arguments)
    config = configuration(options)
    try:
        result = measure(config, stage_factories(config), options.source)
    except InputError as error:
        raise SystemExit(f"throughput: {error}") from None
    for name, rate in result["frames_per_second"].items():
        print(f"{name:6}{rate:8.3f} frames per second ({result[name]['seconds']:.1f} s)")
    print(f"the pipeline gives {result['ratio']:.1%} of what the bare networks do")
    write_result(options.json, {**result, "options": given(options), "machine": machine(torch.device("cpu"))})


if __name__ == "__main__":
    main()
