"""The arithmetic of a run, whatever the machine: operations of flow, sample and decode per frame of a chunk.

    python -m benchmarks.arithmetic [--width 160] [--height 120] [--frames 14] [--json FILE]

Sizes are those of the source; the default settings enlarge by 4. Frames that two chunks share are computed in both.
Counted by ``torch.utils.flop_counter`` while the stages run on one chunk: convolutions and products of matrices, a
multiply-add as two operations, convolutions as direct sums (what ``models.winograd`` saves is not subtracted). Beside
them the rate of one large matrix product here, and the frames per second that it would come to.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.machine import machine
from benchmarks.matrix_rate import matrix_rate
from benchmarks.record import given, write_result
from benchmarks.throughput import tasks
from pipeline.config import RunConfig
from pipeline.fingerprint import CHUNK_STAGES
from pipeline.stage_factories import stage_factories
from stages.items import SplitTask
from stages.media.frames import FrameWriter, rgb_format


def operations(config: RunConfig, source: Path, folder: Path) -> dict[str, float]:
    """Stage -> operations per frame of the source's first chunk.

    Args:
        config: of the run.
        source: a video.
        folder: for artifacts.
    """
    factories = stage_factories(config)
    split, *chain = (factories[name]() for name in ("split", *CHUNK_STAGES))
    for stage in (split, *chain):
        stage.setup()
    (folder / "split").mkdir()
    made = next(iter(split.run(SplitTask("0" * 16, source, folder / "split"))))
    found = {}
    for stage, task in tasks(chain, made, folder):
        with FlopCounterMode(display=False) as counter:
            stage.run(task)
        found[stage.name] = counter.get_total_flops() / len(made.chunk)
    for stage in (split, *chain):
        stage.teardown()
    return found


def still(path: Path, width: int, height: int, frames: int) -> None:
    """Write a video of one picture of noise, standing still: nothing counted here depends on what it shows."""
    picture = np.random.default_rng(0).random((height, width, 3), dtype=np.float32)
    with FrameWriter(path, rgb_format(width, height, rate=Fraction(25))) as writer:
        for _ in range(frames):
            writer.write(picture)


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command's options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.arithmetic", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--width", type=int, default=160, help="of the source")
    parser.add_argument("--height", type=int, default=120, help="of the source")
    parser.add_argument("--frames", type=int, default=14, help="of one chunk")
    parser.add_argument("--json", type=Path, help="write the result there, too")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Count, print, write."""
    options = parse(arguments)
    config = RunConfig.model_validate({"runtime": {"winograd": False}, "split": {"chunk_frames": options.frames}})
    with tempfile.TemporaryDirectory(prefix="arithmetic-") as folder:
        still(Path(folder) / "source.mkv", options.width, options.height, options.frames)
        found = operations(config, Path(folder) / "source.mkv", Path(folder))
    for name, count in (*found.items(), ("all", sum(found.values()))):
        print(f"{name:8}{count / 1e9:8.1f} GFLOP per frame")
    rate = matrix_rate(torch.device("cpu"), torch.float32)
    possible = rate * 1e12 / sum(found.values())
    print(f"one large matrix product {rate:.3f} TFLOP/s, at which that is {possible:.2f} frames per second")
    where = machine(torch.device("cpu"))
    write_result(
        options.json, {"operations": found, "tflops_of_matrix": rate, "options": given(options), "machine": where}
    )


if __name__ == "__main__":
    main()
