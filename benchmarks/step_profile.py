"""Where the time of one denoising step goes: shares of convolutions, attention, norms, copies, and of waiting.

    python -m benchmarks.step_profile [--size full] [--device cuda] [--batch 4] [--json FILE]

By torch's profiler: seconds of every operator by itself, summed by kind. "SPADE" is told beside them, since it is made
of convolutions, norms and products. On a GPU "idle" is the time of a step in which no kernel ran: what CUDA graphs can
save. Needs torch, diffusers and safetensors alone.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile, record_function

from benchmarks.machine import machine
from benchmarks.network_calls import WINDOW, Bench
from benchmarks.networks import HALF
from benchmarks.record import given, write_result
from benchmarks.sampler_case import SIZES
from benchmarks.worker_environment import take_worker_environment
from models.compiling import MODES
from models.spade import Spade

KINDS = {
    "convolutions": ("conv",),
    "attention": ("attention", "softmax", "flash"),
    "matrix products": ("mm", "::linear", "_linear"),  # bilinear resizing is none
    "norms": ("norm",),
    "copies": ("copy_", "cat", "clone", "contiguous", "to_copy", "stack", "index", "pad"),
}
"""Kind -> parts of the names of operators; the first that fits counts, and what fits none is "other"."""
OTHER, MARK = "other (elementwise)", "SPADE"


def kind_of(operator: str) -> str:
    """The kind of an operator such as ``aten::mkldnn_convolution``."""
    name = operator.lower()
    return next((kind for kind, parts in KINDS.items() if any(part in name for part in parts)), OTHER)


@contextmanager
def marked(network: nn.Module) -> Iterator[None]:
    """Inside the block the profiler sees every call of a SPADE module as ``MARK``."""
    open_: list[record_function] = []

    def enter(*_: Any) -> None:
        open_.append(record_function(MARK))
        open_[-1].__enter__()

    def leave(*_: Any) -> None:
        open_.pop().__exit__(None, None, None)

    modules = [module for module in network.modules() if isinstance(module, Spade)]
    hooks = [module.register_forward_pre_hook(enter) for module in modules]
    hooks += [module.register_forward_hook(leave) for module in modules]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


@torch.inference_mode()
def measure(options: argparse.Namespace, device: torch.device) -> dict[str, Any]:
    """Seconds of a step, and what share of it each kind has."""
    cuda = device.type == "cuda"
    bench = Bench(options.size, device, HALF if cuda else torch.float32, cuda, options.compile, None, options.batch)
    call = bench.call("step", 0, 0, options.step_tile)
    for _ in range(3):
        call.run()
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if cuda else [])]
    seconds = _seconds(call.run, device, options.rounds)
    with marked(bench.networks.unet), profile(activities=activities) as profiler:
        for _ in range(options.rounds):
            call.run()
        _wait(device)
    shares, spade, top = tally(profiler.key_averages(), cuda, options.rounds)
    busy = sum(shares.values())
    return {
        "seconds": seconds,
        "frames": options.batch * WINDOW,
        "seconds_by_kind": shares,
        "shares": {kind: value / busy for kind, value in shares.items()},
        "spade_share": spade / busy,
        "idle_share": max(0.0, 1 - busy / seconds) if cuda else None,
        "operators": [
            {"name": name, "seconds": own, "calls": calls} for name, own, calls in sorted(top, key=lambda t: -t[1])[:15]
        ],
    }


def tally(
    events: Iterable[Any], cuda: bool, rounds: int
) -> tuple[dict[str, float], float, list[tuple[str, float, int]]]:
    """Sum what the profiler saw.

    Args:
        events: its averages by key.
        cuda: whether the time of the GPU counts, or that of the CPU.
        rounds: that it saw.

    Returns:
        Seconds of a round by kind; those within SPADE; (operator, seconds, calls) of a round. On a GPU, what ran there
        under no operator's name (kernels of torch's compiler, and what a CUDA graph replays) is "other".
    """
    shares: dict[str, float] = dict.fromkeys((*KINDS, OTHER), 0.0)
    spade, kernels, top = 0.0, 0.0, []
    for event in events:
        own = (event.self_device_time_total if cuda else event.self_cpu_time_total) / 1e6 / rounds
        if event.key == MARK:
            spade = (event.device_time_total if cuda else event.cpu_time_total) / 1e6 / rounds
        elif cuda and event.device_type == DeviceType.CUDA:
            kernels += own
        elif own > 0 and (event.key.startswith("aten::") or not cuda):
            shares[kind_of(event.key)] += own
            top.append((event.key, own, event.count // rounds))
    shares[OTHER] += max(0.0, kernels - sum(shares.values()))
    return shares, spade, top


def _seconds(run: Any, device: torch.device, rounds: int) -> float:
    times = []
    for _ in range(rounds):
        begin = time.perf_counter()
        run()
        _wait(device)
        times.append(time.perf_counter() - begin)
    return min(times)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command's options."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.step_profile", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--size", choices=tuple(SIZES), default="embedded", help="of the networks")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--step-tile", type=int, default=64, help="side of the tiles, latent pixels")
    parser.add_argument("--batch", type=int, default=4, help="tiles times windows")
    parser.add_argument("--compile", choices=("off", *MODES), default="off")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the result there, too")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table, write the JSON."""
    options = parse(arguments)
    device = torch.device(options.device)
    found = measure(options, device)
    print(f"{machine(device)['device']}: {found['seconds']:.4f} s for a step of {found['frames']} frames")
    for kind, share in sorted(found["shares"].items(), key=lambda item: -item[1]):
        print(f"{kind:24}{share:7.1%}")
    print(f"{'(of it in SPADE)':24}{found['spade_share']:7.1%}")
    if found["idle_share"] is not None:
        print(f"{'idle, of the step':24}{found['idle_share']:7.1%}")
    write_result(options.json, found | {"options": given(options), "machine": machine(device)})
    return 0


if __name__ == "__main__":
    take_worker_environment()
    sys.exit(main())
