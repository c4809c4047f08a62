"""How fast each network runs by itself, at the sizes that videos have, as published and as ours runs it.

    python -m benchmarks.networks [--size full] [--device cuda] [--frames 512x512 1280x720 1920x1080] [--json FILE]

Rows: encoder and decoder of the VAE (a window of 5 frames), one denoising step of a batch of tiles, and RAFT both ways
between two frames of the input (a quarter of the output). "plain" is float32 under autocast to float16 on a GPU, as the
published system runs, with its layers; "ours" is bfloat16 throughout, channels last (on a CPU float32, with
convolutions in fewer multiplications); "compiled" is that with ``--compile``. Weights are random: they cost the same
time. Needs torch, diffusers and safetensors alone.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.machine import machine
from benchmarks.matrix_rate import matrix_rate
from benchmarks.network_calls import Bench, Call
from benchmarks.peak_memory import forget_peak, peak_bytes
from benchmarks.plain_reference import published_layers
from benchmarks.record import given, write_result
from benchmarks.sampler_case import SIZES
from benchmarks.worker_environment import take_worker_environment
from models.choices import Compilation
from models.compiling import MODES

PARTS = ("encode", "step", "decode", "flow")
HALF = torch.bfloat16


@dataclass(frozen=True, slots=True)
class Found:
    """One row.

    Attributes:
        part: of ``PARTS``.
        frame: width and height of the output; for "step" the side of the tile, in pixels.
        way: "plain", "ours" or "compiled".
        seconds: per frame, of the fastest round.
        start_seconds: what the first call took beyond the fastest.
        operations: per frame, a multiply-add counted as two.
        share: of the rate of a large matrix product in the same precision.
        peak_gigabytes: see ``benchmarks.peak_memory``. All numbers are None where there was not enough memory.
    """

    part: str
    frame: str
    way: str
    seconds: float | None = None
    start_seconds: float | None = None
    operations: float = 0.0
    share: float | None = None
    peak_gigabytes: float | None = None

    def with_operations(self, operations: float, rate: float) -> Found:
        """The same with what it does counted, and its share of a rate in TFLOP/s."""
        share = operations / self.seconds / 1e12 / rate if self.seconds and operations else None
        return replace(self, operations=operations, share=share)


def measure(call: Call, device: torch.device, rounds: int) -> tuple[float, float, float]:
    """Seconds per frame of the fastest round, of the first beyond that, and the peak in GB."""
    forget_peak(device)
    times: list[float] = []
    for _ in range(rounds + 1):
        begin = _now(device)
        call.run()
        times.append(_now(device) - begin)
    best = min(times)
    return best / call.frames, times[0] - best, peak_bytes(device) / 1e9


def count(call: Call) -> float:
    """Operations per frame; attention by torch's fused kernels is counted, too."""
    with FlopCounterMode(display=False) as counter:
        call.run()
    return counter.get_total_flops() / call.frames


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


@torch.inference_mode()
def rows(options: argparse.Namespace, device: torch.device) -> Iterator[Found]:
    """All rows, as they are measured."""
    cuda = device.type == "cuda"
    half = HALF if cuda else torch.float32
    rates = {dtype: matrix_rate(device, dtype) for dtype in {half, torch.float16 if cuda else torch.float32}}
    rates[torch.float32] = rates.get(torch.float32) or matrix_rate(device, torch.float32)
    ways: list[tuple[str, torch.dtype, torch.dtype, Compilation]] = [
        ("plain", torch.float32, torch.float16 if cuda else torch.float32, "off"),
        ("ours", half, half, "off"),
    ]
    if options.compile != "off":
        ways.append(("compiled", half, half, options.compile))
    counted: dict[tuple[str, str], float] = {}
    for way, dtype, computed_in, compilation in ways:
        plain = way == "plain"
        batch, tile = (1, None) if plain else (options.batch, options.tile)
        bench = Bench(options.size, device, dtype, cuda and not plain, compilation, tile, batch, winograd=not plain)
        for part in options.parts:
            rate = rates[torch.float32 if part == "flow" else computed_in]
            side = options.step_tile * bench.networks.vae.downscale
            for frame in [(side, side)] if part == "step" else options.frames:
                halved = torch.autocast(device.type, torch.float16, enabled=plain and cuda and part != "flow")
                with halved, published_layers() if plain else nullcontext():
                    found = _row(bench, part, frame, way, options)
                if found.way != "compiled":
                    counted[part, found.frame] = found.operations
                yield found.with_operations(counted.get((part, found.frame), 0.0), rate)


def _row(bench: Bench, part: str, frame: tuple[int, int], way: str, options: argparse.Namespace) -> Found:
    width, height = frame
    found = Found(part, f"{width}x{height}", way)
    try:
        call = bench.call(part, height, width, options.step_tile)
        seconds, start, peak = measure(call, bench.device, options.rounds)
        # What is compiled cannot be counted, and does the same as what is not.
        operations = 0.0 if way == "compiled" else count(call)
    except torch.OutOfMemoryError:
        return found
    return replace(found, seconds=seconds, start_seconds=start, operations=operations, peak_gigabytes=peak)


def format_row(found: Found) -> str:
    """One line of the table."""
    if found.seconds is None:
        return f"{found.part:8}{found.frame:>12}  {found.way:10}{'out of memory':>12}"
    rate = f"{found.operations / found.seconds / 1e12:10.3f}{found.share:9.0%}" if found.share else f"{'':19}"
    return (
        f"{found.part:8}{found.frame:>12}  {found.way:10}{found.seconds:10.4f}{found.operations / 1e12:9.3f}{rate}"
        f"{found.peak_gigabytes:9.2f}{found.start_seconds:9.1f}"
    )


def _frame(text: str) -> tuple[int, int]:
    width, height = text.split("x")
    return int(width), int(height)


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command's options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.networks", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--size", choices=tuple(SIZES), default="embedded", help="of the networks")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=list(PARTS))
    parser.add_argument("--frames", nargs="+", type=_frame, default=[(512, 512)], metavar="WIDTHxHEIGHT")
    parser.add_argument("--step-tile", type=int, default=64, help="side of a denoising step's tile, latent pixels")
    parser.add_argument("--batch", type=int, default=4, help="tiles times windows of a denoising step of ours")
    parser.add_argument("--tile", type=int, help="of the autoencoder in ours, latent pixels")
    parser.add_argument("--compile", choices=("off", *MODES), default="off")
    parser.add_argument("--rounds", type=int, default=3, help="after one that warms up; the fastest counts")
    parser.add_argument("--json", type=Path, help="write the rows there, too")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table, write the JSON."""
    options = parse(arguments)
    device = torch.device(options.device)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    print(machine(device)["device"])
    print(
        f"{'part':8}{'frame':>12}  {'way':10}{'s/frame':>10}{'TFLOP':>9}{'TFLOP/s':>10}{'of matrix':>9}"
        f"{'peak GB':>9}{'start s':>9}"
    )
    found = []
    for row in rows(options, device):
        found.append(asdict(row))
        print(format_row(row), flush=True)
    write_result(options.json, {"rows": found, "options": given(options), "machine": machine(device)})
    return 0


if __name__ == "__main__":
    take_worker_environment()
    sys.exit(main())
