"""What the presets of the full model give and take: the embedded networks' latents alone, on a real clip.

    python -m benchmarks.presets [--frames 30] [--tile 16] [--json benchmarks/results/presets.json]
    python -m benchmarks.presets --fusion 1 --estimate recurrent [--json benchmarks/results/presets_fused.json]

Each row has its preset's chunks, windows, solver, steps, guidance, noise, colour correction and rounding, on the same
canvas; tiles of 64 latent pixels, which would be all of so small a canvas, are reduced to ``--tile`` with their overlap
or shift. What differs beyond the latents (flow and estimate) is the same for all. The second line fuses the
estimate's features, as the embedded networks' own presets do. Presets have a ``--start`` of their own.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import torch

from benchmarks.latents_alone import COLUMNS, add_options, columns, trial
from benchmarks.machine import machine
from benchmarks.record import given, write_result
from pipeline.config import ConfigError, merge
from pipeline.presets import PRESETS

FULL_TILE = 64
NAMES = ("reference", "balanced", "fast")


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command's options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.presets", description=(__doc__ or "").split("\n")[0])
    add_options(parser, frames=30)
    parser.add_argument("--tile", type=int, default=16, help="side of the tiles in latent pixels")
    parser.add_argument("--fusion", type=float, default=0.0, help="weight of the estimate's features")
    parser.add_argument("--estimate", choices=("bicubic", "recurrent"), default="bicubic", help="the initial one")
    return parser.parse_args(arguments)


def values(name: str, tile: int) -> dict[str, Any]:
    """A preset's values, on the exact canvas and with smaller tiles."""
    preset = {part: dict(PRESETS[name].values.get(part, {})) for part in ("split", "sample", "decode")}
    for key in ("tile", "tile_overlap", "tile_shift"):
        if key in preset["sample"]:
            preset["sample"][key] = preset["sample"][key] * tile // FULL_TILE
    return preset


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the presets and print the table."""
    options = parse(arguments)
    rows: list[dict[str, Any]] = []
    print(f"{'preset':16}{COLUMNS}")
    with trial(options) as clip:
        for name in NAMES:
            settings = merge(values(name, options.tile), {"sample": {"initial_estimate": options.estimate}})
            try:
                restored = clip.restore(fusion=options.fusion, **settings)
            except ConfigError as error:
                raise SystemExit(f"presets: {error}") from None
            rows.append({"preset": name, **clip.measure(restored)})
            print(f"{name:16}{columns(rows[-1])}", flush=True)
    write_result(options.json, {"rows": rows, "options": given(options), "machine": machine(torch.device("cpu"))})


if __name__ == "__main__":
    main()
