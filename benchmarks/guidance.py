"""What guidance and temporal decoder do to flicker: the embedded networks' latents alone, on a real clip.

    python -m benchmarks.guidance [--frames 20] [--steps 15] [--json benchmarks/results/guidance.json]

The paper's claims (arXiv 2312.00853) are that the guidance lowers the warping error and that the temporal
decoder lowers it again. Each guidance is decoded frame by frame, and in windows of frames by the temporal layers; the
latents are sampled once for both, so the second row's CPU seconds are those of decoding alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import torch

from benchmarks.latents_alone import COLUMNS, add_options, columns, trial
from benchmarks.machine import machine
from benchmarks.record import given, write_result
from stages.decode.config import DecodeConfig

STRENGTHS = ((0.01, 0.1), (0.05, 0.4), (0.1, 0.8), (0.2, 1.6), (0.16, 0.8))
"""Scale and softness. At one ratio of them small differences shrink alike; what grows is how far the large ones may be
moved in a step."""


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command's options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.guidance", description=(__doc__ or "").split("\n")[0])
    add_options(parser, frames=20)
    parser.add_argument("--steps", type=int, default=15, help="of the published solver, as in `balanced`")
    return parser.parse_args(arguments)


def guidances() -> dict[str, dict[str, Any]]:
    """Row -> settings: none, then every strength."""
    strengths = {f"{scale:g}, {softness:g}": {"scale": scale, "softness": softness} for scale, softness in STRENGTHS}
    return {"none": {"form": "none"}, **{name: {"form": "corrected", **values} for name, values in strengths.items()}}


def decoders() -> dict[str, dict[str, int]]:
    """Column -> settings: one frame at a time, and the default windows."""
    windows = DecodeConfig()
    return {
        "frame by frame": {"window_frames": 1, "window_overlap": 0},
        "temporal": {"window_frames": windows.window_frames, "window_overlap": windows.window_overlap},
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure all rows and print the table."""
    options = parse(arguments)
    rows: list[dict[str, Any]] = []
    print(f"{'scale, softness':18}{'decoder':16}{COLUMNS}")
    with trial(options) as clip:
        for guidance, strength in guidances().items():
            sample = {"steps": options.steps, "solver": "ddpm", "guidance": strength}
            for decoder, windows in decoders().items():
                restored = clip.restore(workspace="shared", sample=sample, decode=windows)
                rows.append({"guidance": guidance, "decoder": decoder, **clip.measure(restored)})
                print(f"{guidance:18}{decoder:16}{columns(rows[-1])}", flush=True)
    write_result(options.json, {"rows": rows, "options": given(options), "machine": machine(torch.device("cpu"))})


if __name__ == "__main__":
    main()
