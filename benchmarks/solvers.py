"""How many steps which solver needs: the embedded networks' latents alone, on a real clip, against the solution.

    python -m benchmarks.solvers [--frames 10] [--json benchmarks/results/solvers.json]

The deterministic solvers all solve one equation: "to solution" is the PSNR between their frames and those of DDIM in
very many steps. Those that draw noise give other pictures; for them only the measures against the original count.
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

SOLUTION = ("ddim", 200)
CASES = (
    *((solver, steps) for solver in ("ddim", "dpmsolver++", "unipc") for steps in (4, 8, 15, 25)),
    ("ddim", 50),
    *(("sde-dpmsolver++", steps) for steps in (8, 15, 25)),
    ("ddpm", 15),
    ("ddpm", 50),
)


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command's options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.solvers", description=(__doc__ or "").split("\n")[0])
    add_options(parser)
    parser.add_argument("--solution-steps", type=int, default=SOLUTION[1])
    return parser.parse_args(arguments)


def distance(one: Path, other: Path) -> float:
    """PSNR between two clips of R'G'B' in [0, 1], in dB."""
    pairs = zip(Clip.open(one).frames(), Clip.open(other).frames(), strict=True)
    error = float(np.mean([np.square(a - b).mean() for a, b in pairs]))
    return float(-10 * np.log10(max(error, 1e-12)))


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure all cases and print the table."""
    options = parse(arguments)
    rows: list[dict[str, Any]] = []
    print(f"{'solver':18}{'steps':>6}{'to solution dB':>16}{COLUMNS}")
    with trial(options) as clip:
        solution = clip.restore(sample={"solver": SOLUTION[0], "steps": options.solution_steps})
        for solver, steps in CASES:
            restored = clip.restore(sample={"solver": solver, "steps": steps})
            to_solution = distance(restored.path, solution.path)
            rows.append({"solver": solver, "steps": steps, "to_solution": to_solution, **clip.measure(restored)})
            print(f"{solver:18}{steps:6}{to_solution:16.2f}{columns(rows[-1])}", flush=True)
    write_result(options.json, {"rows": rows, "options": given(options), "machine": machine(torch.device("cpu"))})


if __name__ == "__main__":
    main()
