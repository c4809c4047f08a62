"""What the recurrent initial estimate takes, with direct convolutions, with fewer multiplications, and in bfloat16.

    python -m benchmarks.estimate [--width 160] [--height 120] [--frames 3] [--json FILE]

Sizes are those of the source; the result is four times as wide and high. Processor seconds per frame are of all threads
together, without waiting for other programs; the shares by kind of operation are torch's profiler's. "Fewer" is
``models.winograd``; "bfloat16" what ``runtime.precision: bfloat16`` computes. The exit status is 0 only if the results
agree, as far as their precision goes.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from benchmarks.machine import machine
from benchmarks.record import given, write_result
from benchmarks.sampler import relative_error
from benchmarks.step_profile import KINDS, OTHER, kind_of
from benchmarks.worker_environment import take_worker_environment
from models.basicvsr import BasicVSR
from models.folder import ModelFolder
from models.winograd import use_winograd

WAYS = {"direct": 0.0, "fewer": 1e-4, "bfloat16": 3e-2}
"""And how far each may be from the first, as a relative error."""


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command's options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.estimate", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--width", type=int, default=160, help="of the source")
    parser.add_argument("--height", type=int, default=120, help="of the source")
    parser.add_argument("--frames", type=int, default=3, help="of a clip, walked through in both directions")
    parser.add_argument("--rounds", type=int, default=1, help="the one that takes least counts")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write the result there, too")
    return parser.parse_args(arguments)


@torch.inference_mode()
def measure(network: BasicVSR, frames: Tensor, rounds: int) -> tuple[dict[str, Any], Tensor]:
    """Seconds per frame and shares by kind of operation, and the estimates."""
    network(frames[:1])
    best: tuple[float, float] | None = None
    for _ in range(rounds):
        begin = time.process_time(), time.perf_counter()
        found = network(frames)
        taken = time.process_time() - begin[0], time.perf_counter() - begin[1]
        best = taken if best is None else min(best, taken)
    assert best is not None, "at least one round"
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        network(frames[:2])
    shares = dict.fromkeys((*KINDS, OTHER), 0.0)
    for event in profiler.key_averages():
        shares[kind_of(event.key)] += event.self_cpu_time_total
    total = sum(shares.values())
    return {
        "processor_seconds": best[0] / len(frames),
        "seconds": best[1] / len(frames),
        "shares": {kind: value / total for kind, value in shares.items()},
    }, found


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table, write the JSON, return the exit status."""
    options = parse(arguments)
    torch.set_num_threads(options.threads)
    network = ModelFolder().initial_estimate()
    generator = torch.Generator().manual_seed(0)
    frames = torch.rand(options.frames, 3, options.height, options.width, generator=generator)
    rows: dict[str, dict[str, Any]] = {}
    results: dict[str, Tensor] = {}
    print(f"{'per frame':20}{'CPU s':>8}{'wall s':>8}  of the time")
    for name in WAYS:
        use_winograd([network], name == "fewer")
        network.refine_in(torch.bfloat16 if name == "bfloat16" else torch.float32)
        rows[name], results[name] = measure(network, frames, options.rounds)
        shares = ", ".join(f"{kind} {share:.0%}" for kind, share in rows[name]["shares"].items() if share >= 0.005)
        print(f"{name:20}{rows[name]['processor_seconds']:8.3f}{rows[name]['seconds']:8.3f}  {shares}", flush=True)
    errors = {name: relative_error(found, results["direct"]) for name, found in results.items()}
    failed = [name for name, error in errors.items() if error > WAYS[name]]
    told = ", ".join(f"{name} {error:.1e}" for name, error in errors.items() if name != "direct")
    print(f"relative error: {told}: {'FAIL' if failed else 'pass'}")
    where = machine(torch.device("cpu"))
    write_result(options.json, {"rows": rows, "relative_errors": errors, "options": given(options), "machine": where})
    return 1 if failed else 0


if __name__ == "__main__":
    take_worker_environment()
    sys.exit(main())
