"""How many steps which solver needs: the embedded networks' latents alone, on a real clip, against the solution.

    python -m benchmarks.solvers [--frames 10] [--json benchmarks/results/solvers.json]

A crop of the sample clip is sampled from full noise and decoded without the estimate's features
(``decode.fusion_weight`` 0), so that nothing but the latents makes the picture. The deterministic solvers all solve one
equation: "to solution" is the PSNR between their frames and those of DDIM in very many steps. Those that draw noise
give other pictures; for them only the measures against the original count.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.machine import machine
from benchmarks.record import given, write_result
from benchmarks.seams import SAMPLES, SCALE, crop
from evaluation.clip import Clip
from evaluation.evaluate import evaluate
from evaluation.settings import EvaluationSettings
from pipeline.config import validate
from pipeline.run import run

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
    parser.add_argument("--frames", type=int, default=10)
    parser.add_argument("--size", type=int, nargs=2, default=(96, 64), metavar=("WIDTH", "HEIGHT"), help="of the crop")
    parser.add_argument("--start", type=float, default=1.0, help="share of the noise to start from")
    parser.add_argument("--solution-steps", type=int, default=SOLUTION[1])
    parser.add_argument("--json", type=Path, help="write the rows there, too")
    return parser.parse_args(arguments)


def restore(options: argparse.Namespace, solver: str, steps: int, low: Path, folder: Path) -> Path:
    """Restore the crop by one solver.

    Raises:
        RuntimeError: the run failed.
    """
    config = {
        "split": {"chunk_frames": options.frames, "overlap_frames": 0, "detect_cuts": False},
        "sample": {"initial_estimate": "bicubic", "start": options.start, "steps": steps, "solver": solver},
        "decode": {"fusion_weight": 0.0},
        "runtime": {"threads": torch.get_num_threads(), "device": "cpu"},
    }
    report = run(validate(config), [low], folder / "restored", folder / "workspace")
    if not report.ok:
        raise RuntimeError(f"{solver}, {steps} steps: {report.failures[0].message}")
    return folder / "restored" / low.name


def distance(one: Path, other: Path) -> float:
    """PSNR between two clips of R'G'B' in [0, 1], in dB."""
    pairs = zip(Clip.open(one).frames(), Clip.open(other).frames(), strict=True)
    error = float(np.mean([np.square(a - b).mean() for a, b in pairs]))
    return float(-10 * np.log10(max(error, 1e-12)))


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure all cases and print the table."""
    options = parse(arguments)
    settings = EvaluationSettings(measures=("psnr", "niqe", "warping"), flow="dis", device="cpu")
    rows: list[dict[str, Any]] = []
    print(f"{'solver':18}{'steps':>6}{'to solution dB':>16}{'PSNR-Y':>9}{'NIQE':>8}{'E*warp':>9}{'seconds':>9}")
    with tempfile.TemporaryDirectory(prefix="solvers-") as name:
        folder = Path(name)
        size = tuple(options.size)
        low = crop(SAMPLES / "city.mkv", folder / "clip.mkv", options.frames, size)
        original = crop(SAMPLES / "city_original.mkv", folder / "original.mkv", options.frames, size, SCALE)
        solution = restore(options, SOLUTION[0], options.solution_steps, low, folder / "solution")
        for number, (solver, steps) in enumerate(CASES):
            begin = time.process_time()
            restored = restore(options, solver, steps, low, folder / str(number))
            seconds = time.process_time() - begin
            found = evaluate(original, restored, settings=settings)
            row = {
                "solver": solver,
                "steps": steps,
                "to_solution": distance(restored, solution),
                "psnr_y": found.psnr_y,
                "niqe": found.restored.niqe,
                "warping_error": found.restored.warping_error,
                "processor_seconds": round(seconds, 2),
            }
            rows.append(row)
            print(
                f"{solver:18}{steps:6}{row['to_solution']:16.2f}{row['psnr_y']:9.3f}{row['niqe']:8.2f}"
                f"{row['warping_error']:9.3f}{seconds:9.1f}",
                flush=True,
            )
    write_result(options.json, {"rows": rows, "options": given(options), "machine": machine(torch.device("cpu"))})


if __name__ == "__main__":
    main()
