"""What more frames and more tiles cost: seconds per frame should not depend on either.

    python -m benchmarks.cost_curve [--size embedded|full] [--device cpu|cuda] [--json FILE]

Encoding, sampling and decoding of chunks of 5 to 100 frames of one tile, and of 5 frames of 1 to 16 tiles (disjoint, so
that twice the canvas is twice the work). Told are seconds per frame and tile, and each row's in parts of the median:
1 everywhere is a straight line. Needs torch, diffusers and safetensors alone.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch

from benchmarks.machine import machine
from benchmarks.record import given, write_result
from benchmarks.sampler_case import SIZES, Case, Networks
from benchmarks.sampler_settings import CORRECTED, Preset
from benchmarks.sampler_ways import Way, measure, restore
from benchmarks.worker_environment import take_worker_environment
from models.steps import SamplerSettings
from models.windowed import WindowSettings

FRAMES = (5, 25, 50, 100)
TILES = {1: (1, 1), 2: (1, 2), 4: (2, 2), 8: (2, 4), 16: (4, 4)}
"""Tiles of a canvas -> rows and columns of them."""


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command's options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cost_curve", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--size", choices=tuple(SIZES), default="embedded", help="of the networks")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--precision", choices=("float32", "bfloat16", "float16"), default="float32")
    parser.add_argument("--tile", type=int, default=16, help="side of a tile in latent pixels")
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--batch", type=int, default=4, help="windows times tiles per call")
    parser.add_argument("--frames", type=int, nargs="*", default=list(FRAMES), help="lengths of the chunks")
    parser.add_argument("--tiles", type=int, nargs="*", choices=tuple(TILES), default=list(TILES))
    parser.add_argument("--rounds", type=int, default=2, help="the fastest counts")
    parser.add_argument("--json", type=Path, help="write the rows there, too")
    return parser.parse_args(arguments)


def seconds_per_frame(options: argparse.Namespace, networks: Networks, frames: int, tiles: int) -> tuple[float, float]:
    """Seconds (of the processor, on a CPU) per frame, and the peak in GB."""
    device, dtype = torch.device(options.device), getattr(torch, options.precision)
    side = options.tile * networks.vae.downscale
    rows, columns = TILES[tiles]
    case = Case.build(networks, frames, rows * side, columns * side, device)
    windows = WindowSettings(5, tile=options.tile, batch=options.batch, dtype=dtype)
    preset = Preset(SamplerSettings(options.steps, windows=windows, guidance=CORRECTED))
    way = Way("curve", options.steps, dtype, torch.contiguous_format, partial(restore, preset))
    [(_, found, _)] = measure([way], networks, case, options.rounds)
    return found.busy(device), found.peak_gigabytes


def main(arguments: Sequence[str] | None = None) -> int:
    """Print both curves, write the JSON."""
    options = parse(arguments)
    networks = Networks.build(options.size)
    curves: dict[str, list[dict[str, Any]]] = {}
    for name, points in (
        ("frames", [(frames, 1) for frames in options.frames]),
        ("tiles", [(5, tiles) for tiles in options.tiles]),
    ):
        rows = []
        for frames, tiles in points:
            seconds, peak = seconds_per_frame(options, networks, frames, tiles)
            rows.append({"frames": frames, "tiles": tiles, "seconds": seconds / tiles, "peak_gigabytes": peak})
        middle = median(row["seconds"] for row in rows) if rows else 1.0
        curves[name] = [row | {"to_median": row["seconds"] / middle} for row in rows]
        print(f"{'frames':>7}{'tiles':>7}{'s per frame and tile':>22}{'to median':>11}{'peak GB':>9}")
        for row in curves[name]:
            print(
                f"{row['frames']:7}{row['tiles']:7}{row['seconds']:22.4f}{row['to_median']:11.2f}"
                f"{row['peak_gigabytes']:9.2f}",
                flush=True,
            )
    where = machine(torch.device(options.device))
    write_result(options.json, {"curves": curves, "options": given(options), "machine": where})
    return 0


if __name__ == "__main__":
    take_worker_environment()
    sys.exit(main())
