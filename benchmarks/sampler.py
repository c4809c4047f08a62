"""How fast frames are encoded, sampled and decoded: the published order of work against ours, in one run.

    python -m benchmarks.sampler [--size embedded|full] [--device cpu|cuda] [--json FILE]

Both get the same weights, frames, motion and noise, and their results are compared. Ours runs windows and tiles in
batches, guides in closed form, encodes once and, on a GPU, holds its weights in half precision instead of casting at
every operation; on a CPU its convolutions take fewer multiplications (``models.winograd``). The presets that do other
work have rows of their own. It needs torch, diffusers and safetensors alone. The exit status is 0 only if the results
agree. ``--no-plain`` leaves out those two, which take longest, and gives no speed-up: for changes of the presets.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.machine import machine
from benchmarks.matrix_rate import matrix_rate
from benchmarks.plain_reference import restore_plainly
from benchmarks.record import given, write_result
from benchmarks.sampler_case import SIZES, Case, Networks, Restored
from benchmarks.sampler_settings import presets
from benchmarks.sampler_ways import PARTS, Measured, Way, measure
from benchmarks.worker_environment import take_worker_environment
from models.folder import ModelFolder

PLAIN, OURS = "plain", "ours: reference"
PRESETS = ["balanced", "fast", "embedded"]
LEAST_SIDE = 32
"""Four latent pixels: with fewer, networks of three levels have nothing left on the last."""
TOLERANCES = {torch.float32: 1e-3, torch.bfloat16: 0.05, torch.float16: 0.05}
"""Root mean square of the difference over that of the result, of latents and of frames."""
DEFAULTS: dict[str, dict[str, int]] = {
    "embedded": {"height": 192, "width": 256, "tile": 16, "steps": 4},
    "full": {"height": 512, "width": 512, "tile": 64, "steps": 50},
}


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command's options, with those filled in that depend on size and device."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sampler", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--size", choices=tuple(SIZES), default="embedded", help="of the networks")
    parser.add_argument("--model", type=Path, help="model folder; else the embedded one, or random weights")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--precision", choices=("float32", "bfloat16", "float16"), help="of ours; bfloat16 on a GPU")
    parser.add_argument("--frames", type=int, default=10, help="a multiple of 5")
    parser.add_argument("--height", type=int, help="of the output")
    parser.add_argument("--width", type=int, help="of the output")
    parser.add_argument("--steps", type=int, help="of reference; balanced takes 15 of 50, fast 8 of 50")
    parser.add_argument("--tile", type=int, help="side of the tiles in latent pixels")
    parser.add_argument("--presets", nargs="*", default=PRESETS, choices=PRESETS, help="other rows of ours; all")
    parser.add_argument(
        "--plain", action=argparse.BooleanOptionalAction, default=True, help="the plain way and ours, compared"
    )
    parser.add_argument("--batch", type=int, default=4, help="windows times tiles per call of ours")
    parser.add_argument("--rounds", type=int, default=2, help="the fastest counts")
    parser.add_argument("--memory-format", choices=("contiguous", "channels-last", "both"), help="both on a GPU")
    parser.add_argument("--direct", action="store_true", help="one more row: reference with direct convolutions")
    parser.add_argument(
        "--compile", nargs="*", default=[], choices=("kernels", "graphs"), help="more rows: the presets' rows, compiled"
    )
    parser.add_argument("--threads", type=int, help="of the CPU")
    parser.add_argument("--json", type=Path, help="write the result there, too")
    options = parser.parse_args(arguments)
    on_gpu = options.device.startswith("cuda")
    for name, value in DEFAULTS[options.size].items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    options.precision = options.precision or ("bfloat16" if on_gpu else "float32")
    options.memory_format = options.memory_format or ("both" if on_gpu else "contiguous")
    if options.frames < 5 or options.frames % 5:
        parser.error(f"--frames {options.frames}: must be whole windows of 5")
    if min(options.height, options.width) < LEAST_SIDE:
        parser.error(f"{options.width}x{options.height}: must be at least {LEAST_SIDE} pixels a side")
    if options.model:
        try:
            ModelFolder(options.model).check("unet", "structure_encoder", "vae")
        except (FileNotFoundError, ValueError) as error:
            parser.error(str(error))
    return options


def prepare(options: argparse.Namespace) -> torch.device:
    """Fix what the stages fix (``stages.device``), so that what is measured is what runs."""
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    if options.threads:
        torch.set_num_threads(options.threads)
    return torch.device(options.device)


def relative_error(found: Tensor, expected: Tensor) -> float:
    """Root mean square of the difference over that of what was expected; not a number if anything is not finite."""
    return float((found - expected).double().square().mean().sqrt() / expected.double().square().mean().sqrt())


def compare(found: Restored, expected: Restored) -> dict[str, float]:
    """The relative errors of latents and frames."""
    return {name: relative_error(getattr(found, name), getattr(expected, name)) for name in ("latents", "frames")}


def chosen_ways(options: argparse.Namespace, device: torch.device) -> list[Way]:
    """The rows of the table, from the plain way on."""
    dtype = getattr(torch, options.precision)
    chosen = presets(options.steps, options.tile, options.batch, dtype)
    wanted = [name for name in options.presets if name != "embedded" or options.size == "embedded"]
    memory_format = torch.channels_last if options.memory_format == "channels-last" else torch.contiguous_format
    ways: list[Way] = []
    if options.plain:
        wanted.insert(0, "reference")
        settings = presets(options.steps, options.tile, 1, torch.float32)["reference"].sampler
        run_plainly = partial(restore_plainly, settings)
        ways.append(Way(PLAIN, options.steps, torch.float32, torch.contiguous_format, run_plainly, winograd=False))
        if device.type == "cpu" and torch.get_num_threads() > 1:
            # Networks as small as the embedded ones are slower on several.
            ways.append(replace(ways[0], name=f"{PLAIN}, one thread", threads=1))
    ways += [Way.ours(f"ours: {name}", preset, memory_format) for name, preset in chosen.items() if name in wanted]
    if options.direct:
        ways.append(Way.ours("ours: direct", chosen["reference"], memory_format, winograd=False))
    if options.memory_format == "both":
        ways.append(Way.ours("ours: channels last", chosen["reference"], torch.channels_last))
    quickest = torch.channels_last if options.memory_format != "contiguous" else memory_format
    ways += [Way.ours(f"{name}, {how}", chosen[name], quickest, how) for how in options.compile for name in wanted]
    return ways


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measure all ways, print their rows as they come, and return everything that is known."""
    device, dtype = prepare(options), getattr(torch, options.precision)
    networks = Networks.build(options.size, options.model)
    case = Case.build(networks, options.frames, options.height, options.width, device)
    ways = chosen_ways(options, device)
    # On a GPU the plain way computes in float16, as the published system does.
    rates = {dtype: matrix_rate(device, dtype)}
    rates |= {d: matrix_rate(device, d) for d in ((torch.float16,) if device.type == "cuda" else (torch.float32,))}
    print(header(options, networks, device, rates[dtype]))
    rows: dict[str, Measured] = {}
    results: dict[str, Restored] = {}
    for way, found, restored in measure(ways, networks, case, options.rounds):
        rows[way.name] = found
        if way.name in (PLAIN, OURS):
            results[way.name] = restored
        rate = rates[torch.float16 if way.name == PLAIN and device.type == "cuda" else way.dtype]
        print(format_row(way, found, rows.get(PLAIN), device, rate), flush=True)
    agreement = agree(options, networks, case, results) if options.plain else None
    return {
        "rows": {w.name: {"steps": w.steps} | to_json(rows[w.name], rows.get(PLAIN), device) for w in ways},
        "agreement": agreement,
        "matrix_teraflops": {str(kind).removeprefix("torch."): round(rate, 4) for kind, rate in rates.items()},
        "weights": networks.origin,
        "options": given(options),
        "machine": machine(device),
    }


def agree(options: argparse.Namespace, networks: Networks, case: Case, results: dict[str, Restored]) -> dict[str, Any]:
    """Whether ours is what the plain way gives.

    In float32 they are compared with each other. Two results in different half precisions are both compared with
    ours in float32.
    """
    dtype, tolerance = getattr(torch, options.precision), TOLERANCES[getattr(torch, options.precision)]
    if dtype == torch.float32 and case.images.device.type == "cpu":
        errors = {"ours to plain": compare(results[OURS], results[PLAIN])}
    else:
        exact = presets(options.steps, options.tile, options.batch, torch.float32)["reference"]
        way = Way.ours("float32", exact, torch.contiguous_format)
        [(_, _, arbiter)] = measure([way], networks, case, 1)
        errors = {f"{name} to float32": compare(result, arbiter) for name, result in results.items()}
    passed = all(error <= tolerance for pair in errors.values() for error in pair.values())
    for pair, found in errors.items():
        print(f"{pair}: relative error of latents {found['latents']:.2e}, of frames {found['frames']:.2e}")
    print(f"{'pass' if passed else 'FAIL'}: tolerance {tolerance:g}")
    return {"relative_errors": errors, "tolerance": tolerance, "passed": passed}


def header(options: argparse.Namespace, networks: Networks, device: torch.device, rate: float) -> str:
    """What is measured, and the names of the columns."""
    columns = "".join(f"{part + ' s':>10}" for part in PARTS)
    return (
        f"{options.size} networks, {networks.origin}; {options.frames} frames of {options.width}x{options.height}, "
        f"{options.steps} steps, tiles of {options.tile}, batches of {options.batch}, {options.precision}\n"
        f"{machine(device)['device']}, {torch.get_num_threads()} threads; load {os.getloadavg()[0]:.1f}; "
        f"one large matrix product {rate:.3f} TFLOP/s\n\n"
        f"{'per frame':20}{'steps':>5}{columns}{'all s':>10}{'CPU s':>10}{'speed-up':>10}{'by clock':>10}"
        f"{'TFLOP':>9}{'TFLOP/s':>9}{'of matrix':>11}{'peak GB':>9}{'start s':>9}"
    )


def format_row(way: Way, row: Measured, plain: Measured | None, device: torch.device, rate: float) -> str:
    """One line of the table."""
    seconds, achieved = "".join(f"{row.seconds[part]:10.3f}" for part in PARTS), row.teraflops(device)
    speed_up = "-" if plain is None else format(row.speed_up(plain, device), ".2f")
    by_the_clock = "-" if plain is None else format(plain.total / row.total, ".2f")
    return (
        f"{way.name:20}{way.steps:5}{seconds}{row.total:10.3f}{row.processor_total:10.3f}"
        f"{speed_up:>10}{by_the_clock:>10}{sum(row.operations.values()) / 1e12:9.4f}{achieved:9.4f}"
        f"{row.share_of(rate, device):11.1%}{row.peak_gigabytes:9.2f}{row.start_seconds:9.1f}"
    )


def to_json(row: Measured, plain: Measured | None, device: torch.device) -> dict[str, Any]:
    """A row as plain values."""
    return asdict(row) | {
        "total_seconds": row.total,
        "total_processor_seconds": row.processor_total,
        "speed_up": None if plain is None else row.speed_up(plain, device),
        "speed_up_by_the_clock": None if plain is None else plain.total / row.total,
        "teraflops_per_second": row.teraflops(device),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table, write the JSON, return the exit status."""
    options = parse(arguments)
    result = run(options)
    write_result(options.json, result)
    return 0 if result["agreement"] is None or result["agreement"]["passed"] else 1


if __name__ == "__main__":
    take_worker_environment()
    sys.exit(main())
