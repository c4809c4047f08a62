"""How fast one large matrix product runs here: what every other rate is measured against.

python -m benchmarks.matrix_rate [--device cuda] [--precision bfloat16] [--side N]
"""

from __future__ import annotations

import argparse
import time

import torch

SIDES = {"cpu": 2048, "cuda": 8192}
"""Side of the square matrices: large enough to reach the device's rate, small enough to take no time."""
SIDE_WITHOUT_KERNELS = 256
"""For half precision on a CPU, which few of them are made for."""


@torch.no_grad()
def matrix_rate(device: torch.device, dtype: torch.dtype, side: int | None = None, rounds: int = 5) -> float:
    """TFLOP/s of the fastest of several products of two square matrices, a multiply-add counted as two operations.

    On a CPU the time is what the process itself was given, shared by its threads: other work on the machine does not
    count.

    Args:
        device: where.
        dtype: of both matrices and the result.
        side: of the matrices; None is ``SIDES``.
        rounds: how many are timed.
    """
    if side is None:
        side = SIDES[device.type] if device.type == "cuda" or dtype == torch.float32 else SIDE_WITHOUT_KERNELS
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    best = float("inf")
    for _ in range(rounds + 1):  # The first one warms up; it can only be slower.
        begin = _now(device)
        torch.mm(a, b)
        best = min(best, _now(device) - begin)
    return 2 * side**3 / best / 1e12


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        return time.perf_counter()
    return time.process_time() / torch.get_num_threads()


def main() -> None:
    """Print the rate."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--precision", default="float32", choices=("float32", "bfloat16", "float16"))
    parser.add_argument("--side", type=int)
    options = parser.parse_args()
    rate = matrix_rate(torch.device(options.device), getattr(torch, options.precision), options.side)
    print(f"{rate:.3f} TFLOP/s in {options.precision} on {options.device}, {torch.get_num_threads()} threads")


if __name__ == "__main__":
    main()
