"""How far half precision drifts from float32 over the steps of sampling.

    python -m benchmarks.drift [--size full] [--device cuda] [--steps 50] [--json FILE]

The same frames, noise and weights are sampled in float32 (without TF32) and in half precisions; the relative error of
the latents after every step is what is told (root mean square of the difference over that of the float32 latents).
Needs torch, diffusers and safetensors alone.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.machine import machine
from benchmarks.record import given, write_result
from benchmarks.sampler import relative_error
from benchmarks.sampler_case import SIZES, Case, Networks
from benchmarks.sampler_settings import presets
from models.sampler import StepRecord, sample_chunk
from models.schedule import DiffusionSchedule

HALVES = ("bfloat16", "float16")


@torch.no_grad()
def trajectory(options: argparse.Namespace, networks: Networks, case: Case, precision: str) -> list[Tensor]:
    """The latents after every step, float32, on the CPU."""
    dtype, device = getattr(torch, precision), case.images.device
    placed = networks.placed(device, dtype, torch.contiguous_format, copied=True)
    preset = presets(options.steps, options.tile, options.batch, dtype)[options.preset].sampler
    # Structure by one precision for all, so that only sampling differs.
    exact = networks.placed(device, torch.float32, torch.contiguous_format)
    encoded = torch.cat([exact.vae.encode(image[None]).mode() for image in case.images])
    kept: list[Tensor] = []

    def keep(record: StepRecord) -> None:
        kept.append(record.latents.float().cpu())

    sample_chunk(
        placed.unet,
        placed.structure_encoder,
        DiffusionSchedule.base(),
        encoded * networks.vae.config.scaling_factor,
        networks.prompt,
        case.noise,
        replace(preset, steps=options.steps),
        case.motion,
        record=keep,
    )
    return kept


def measure(options: argparse.Namespace) -> dict[str, list[float]]:
    """Relative errors by precision, one for every step."""
    device = torch.device(options.device)
    networks = Networks.build(options.size, options.model)
    case = Case.build(networks, options.frames, options.side, options.side, device)
    exact = trajectory(options, networks, case, "float32")
    return {
        precision: [
            relative_error(found, expected)
            for found, expected in zip(trajectory(options, networks, case, precision), exact, strict=True)
        ]
        for precision in options.precisions
    }


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command's options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.drift", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--size", choices=tuple(SIZES), default="embedded", help="of the networks")
    parser.add_argument("--model", type=Path, help="model folder; else the embedded one, or random weights")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--precisions", nargs="+", choices=HALVES, default=list(HALVES))
    parser.add_argument("--preset", choices=("reference", "balanced", "fast"), default="reference")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--frames", type=int, default=5)
    parser.add_argument("--side", type=int, default=512, help="of the frames, in pixels")
    parser.add_argument("--tile", type=int, default=64, help="latent pixels")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--json", type=Path, help="write the errors there, too")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table, write the JSON."""
    options = parse(arguments)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    errors = measure(options)
    print(f"{'after step':>10}" + "".join(f"{name:>12}" for name in errors))
    shown = sorted({0, options.steps - 1, *range(4, options.steps, 5)})
    for step in shown:
        print(f"{step + 1:10}" + "".join(f"{found[step]:12.2e}" for found in errors.values()))
    where = machine(torch.device(options.device))
    write_result(options.json, {"relative_errors": errors, "options": given(options), "machine": where})
    return 0


if __name__ == "__main__":
    sys.exit(main())
