"""Everything that is to be measured on a GPU, one program after the other, with the full-size networks.

    python -m benchmarks.gpu [--parts sampler-512 networks ...] [--seconds 540] [--output benchmarks/results]

Every part is a benchmark of its own in a process of its own: what one of them breaks does not stop the others, and what
it found is on disk when the next begins. ``--seconds`` bounds all of them together, for machines that are lent by the
minute: parts that are left are named at the end, and ``--parts`` runs them another time. Needs torch, diffusers and
safetensors alone.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

FULL = ("--size", "full")
QUICK = ("--rounds", "1")
PARTS: Mapping[str, tuple[str, ...]] = {
    "parity": ("parity",),
    "sampler-512": ("sampler", *FULL, "--frames", "10", "--compile", "kernels", "graphs", *QUICK),
    "networks": ("networks", *FULL, "--frames", "512x512", "1280x720", "1920x1080", "--compile", "kernels"),
    "sampler-720": ("sampler", *FULL, "--height", "720", "--width", "1280", "--frames", "5", "--steps", "10", *QUICK),
    "profile": ("step_profile", *FULL),
    "profile-graphs": ("step_profile", *FULL, "--compile", "graphs"),
    "drift": ("drift", *FULL),
    "memory": ("too_little_memory", *FULL),
    "memory-4k": ("networks", *FULL, "--parts", "encode", "decode", "--frames", "3840x2160", "--tile", "120", *QUICK),
    "sampler-1080": ("sampler", *FULL, "--height", "1088", "--width", "1920", "--frames", "5", "--steps", "4", *QUICK),
}
"""Name -> module and arguments, in order of what is wanted most."""


def command(part: str, device: str, output: Path) -> list[str]:
    """The command line of a part."""
    module, *arguments = PARTS[part]
    kind = device.split(":")[0]
    result = output / f"{part.replace('-', '_')}_full_{kind}.json"
    return [sys.executable, "-m", f"benchmarks.{module}", *arguments, "--device", device, "--json", str(result)]


def run(
    parts: Sequence[str], device: str, output: Path, seconds: float, clock: Callable[[], float] = time.monotonic
) -> dict[str, str]:
    """Run parts until all are done or the time is up.

    Returns:
        part -> "done", "exit status N", "out of time" or "not begun".
    """
    deadline = clock() + seconds
    outcome: dict[str, str] = dict.fromkeys(parts, "not begun")
    for part in parts:
        left = deadline - clock()
        if left <= 0:
            break
        print(f"== {part}", flush=True)
        try:
            status = subprocess.run(command(part, device, output), timeout=left, check=False).returncode
        except subprocess.TimeoutExpired:
            outcome[part] = "out of time"
            break
        outcome[part] = f"exit status {status}" if status else "done"
    return outcome


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command's options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--parts", nargs="*", choices=tuple(PARTS), default=list(PARTS))
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="for all parts together")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results"), help="folder for the JSON files")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the parts; return 0 only if all were done."""
    options = parse(arguments)
    options.output.mkdir(parents=True, exist_ok=True)
    seconds = min(options.seconds, 10.0**7)
    outcome = run(options.parts, options.device, options.output, seconds)
    print("\n".join(["", *(f"{part:16}{what}" for part, what in outcome.items())]))
    return 0 if set(outcome.values()) <= {"done"} else 1


if __name__ == "__main__":
    sys.exit(main())
