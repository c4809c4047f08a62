"""Whether latent tiles show, and what they cost: the embedded networks' latents alone, on a real clip.

    python -m benchmarks.tiles [--frames 10] [--tile 16] [--json benchmarks/results/tiles.json]

The tile seam is the mean step of the luma between neighbouring pixels where tiles begin or end, over that everywhere
else, by the same at the same places of what was sampled without tiles: 1 means that nothing is to be seen there.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.latents_alone import COLUMNS, add_options, columns, trial
from benchmarks.machine import machine
from benchmarks.record import given, write_result
from evaluation.clip import Clip
from evaluation.luma import luma
from models.tiling import shifted_starts, tile_starts

PIXELS = 8
"""Of the output, for a latent pixel."""


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command's options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tiles", description=(__doc__ or "").split("\n")[0])
    add_options(parser)
    parser.add_argument("--tile", type=int, default=16, help="side of the tiles in latent pixels")
    parser.add_argument("--solver", default="ddpm")
    parser.add_argument("--steps", type=int, default=15)
    return parser.parse_args(arguments)


def cases(tile: int) -> dict[str, dict[str, Any]]:
    """Name -> settings of the sample stage."""
    return {
        "whole canvas": {},
        "overlap 1/2": {"tile": tile, "tile_overlap": tile // 2},
        "overlap 1/4": {"tile": tile, "tile_overlap": tile // 4},
        "overlap 1/8": {"tile": tile, "tile_overlap": tile // 8},
        "side by side": {"tile": tile},
        "shifting": {"tile": tile, "tile_shift": tile // 2},
    }


def borders(length: int, tile: int | None = None, tile_overlap: int = 0, tile_shift: int = 0) -> list[int]:
    """Where tiles begin or end within one side of the canvas, in any step; all in latent pixels."""
    if tile is None:
        return []
    starts = {
        *tile_starts(length, tile, tile_overlap),
        *(shifted_starts(length, tile, tile_shift) if tile_shift else ()),
    }
    return sorted({edge for start in starts for edge in (start, start + tile) if 0 < edge < length})


def step_at_borders(clip: Path, settings: dict[str, Any]) -> float:
    """The mean step of the luma across the borders of tiles, over that of all others; 1 without tiles."""
    across: list[float] = []
    elsewhere: list[float] = []
    for frame in Clip.open(clip).frames():
        for axis, pixels in enumerate(frame.shape[:2]):
            steps = np.abs(np.diff(luma(frame), axis=axis)).mean(axis=1 - axis)
            at_border = np.isin(np.arange(1, pixels), PIXELS * np.array(borders(pixels // PIXELS, **settings)))
            across += steps[at_border].tolist()
            elsewhere += steps[~at_border].tolist()
    return float(np.mean(across) / np.mean(elsewhere)) if across else 1.0


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure all cases and print the table."""
    options = parse(arguments)
    rows: list[dict[str, Any]] = []
    whole: Path | None = None
    print(f"{'tiles':16}{'tile seam':>11}{COLUMNS}")
    with trial(options) as clip:
        for name, settings in cases(options.tile).items():
            restored = clip.restore(sample={"solver": options.solver, "steps": options.steps, **settings})
            whole = whole or restored.path
            seam = step_at_borders(restored.path, settings) / step_at_borders(whole, settings)
            rows.append({"tiles": name, "tile_seam": seam, **clip.measure(restored)})
            print(f"{name:16}{seam:11.3f}{columns(rows[-1])}", flush=True)
    write_result(options.json, {"rows": rows, "options": given(options), "machine": machine(torch.device("cpu"))})


if __name__ == "__main__":
    main()
