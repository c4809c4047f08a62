"""What happens when the device's memory does not suffice: a step of many windows, in less and less of it.

    python -m benchmarks.too_little_memory [--size full] [--device cuda] [--batch 32] [--json FILE]

One denoising step of all windows is first done with all the memory there is, and then with the allocator held to
fractions of what that took. The batch is halved until a call fits (``models.memory``); the prediction must stay what it
was, but for rounding. Needs a CUDA device, torch, diffusers and safetensors.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.machine import machine
from benchmarks.network_calls import WINDOW
from benchmarks.networks import HALF
from benchmarks.record import given, write_result
from benchmarks.sampler import relative_error
from benchmarks.sampler_case import SIZES, Networks
from models.windowed import WindowedDenoiser, WindowSettings

SHARES = (1.0, 0.5, 0.25)


@torch.inference_mode()
def measure(options: argparse.Namespace, device: torch.device) -> Iterator[dict[str, Any]]:
    """One row for every share of the memory that the largest batch takes."""
    networks = Networks.build(options.size).placed(device, HALF, torch.channels_last)
    generator = torch.Generator().manual_seed(0)
    shape = (options.batch * WINDOW, networks.vae.config.latent_channels, options.tile, options.tile)
    latents, structure = (torch.randn(shape, generator=generator).to(device) for _ in range(2))
    settings = WindowSettings(batch=options.batch, dtype=HALF)
    expected: Tensor | None = None
    largest, resident = 0, torch.cuda.memory_allocated(device)
    for share in SHARES:
        if largest:
            allowed = resident + share * (largest - resident)
            torch.cuda.empty_cache()
            whole = torch.cuda.get_device_properties(device).total_memory
            torch.cuda.set_per_process_memory_fraction(allowed / whole, device)
        torch.cuda.reset_peak_memory_stats(device)
        predict = WindowedDenoiser(networks.unet, networks.structure_encoder, structure, networks.prompt, settings)
        begin = time.perf_counter()
        found = predict(latents, 500)
        torch.cuda.synchronize(device)
        seconds = time.perf_counter() - begin
        peak = torch.cuda.max_memory_allocated(device)
        largest = largest or peak
        expected = found if expected is None else expected
        yield {
            "share": share,
            "batch": predict.batch,
            "seconds": seconds,
            "peak_gigabytes": peak / 1e9,
            "relative_error": relative_error(found, expected),
        }


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command's options."""
    summary = (__doc__ or "").split("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.too_little_memory", description=summary)
    parser.add_argument("--size", choices=tuple(SIZES), default="embedded", help="of the networks")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--batch", type=int, default=32, help="windows of 5 frames to begin with")
    parser.add_argument("--tile", type=int, default=64, help="side of the frames, latent pixels")
    parser.add_argument("--json", type=Path, help="write the rows there, too")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; the exit status is 0 only if every row agrees with the first."""
    options = parse(arguments)
    device = torch.device(options.device)
    if device.type != "cuda" or not torch.cuda.is_available():
        raise SystemExit("needs a CUDA device: only its allocator can be held to a part of the memory")
    print(f"{'of memory':>9}{'batch':>7}{'seconds':>9}{'peak GB':>9}{'error':>10}")
    rows = []
    for row in measure(options, device):
        rows.append(row)
        print(
            f"{row['share']:9.0%}{row['batch']:7}{row['seconds']:9.3f}{row['peak_gigabytes']:9.2f}"
            f"{row['relative_error']:10.1e}",
            flush=True,
        )
    write_result(options.json, {"rows": rows, "options": given(options), "machine": machine(device)})
    return 0 if all(row["relative_error"] < 0.05 for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
