"""What single switches of `balanced` and `fast` gain and lose in quality: the embedded networks on a real clip.

    python -m benchmarks.preset_switches [--frames 30] [--fusion 0] [--json benchmarks/results/preset_switches.json]

The first row is the preset; the others change one thing in ``BASE``, which has short decoder windows that overlap and
reuses nothing. Latents are sampled once for all rows that only decode them otherwise. The seam
is that of ``reelift evaluate`` at every fifth frame, where windows of 5 meet, over what is inside; 1 is none.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import torch

from benchmarks.latents_alone import MEASURES, Restored, Trial, add_options, trial
from benchmarks.machine import machine
from benchmarks.presets import values
from benchmarks.record import given, write_result
from evaluation.evaluate import BorderPlan, evaluate
from evaluation.seams import Windows, find_borders
from models.configurations import EMBEDDED
from pipeline.config import merge

WINDOW = int(EMBEDDED.unet["num_frames"])
MEASURED = {"psnr_y": "9.3f", "jod": "8.3f", "niqe": "8.2f", "warping_error": "9.3f", "seam": "8.3f"}
COLUMNS = f"{'PSNR-Y':>9}{'JOD':>8}{'NIQE':>8}{'E*warp':>9}{'seam':>8}"


def decoder(frames: int, overlap: int) -> dict[str, Any]:
    """The settings of one kind of decoder window."""
    return {"decode": {"window_frames": frames, "window_overlap": overlap}}


def deep_features(*steps: int) -> dict[str, dict[str, Any]]:
    """The settings of deep features that serve so many steps."""
    return {
        f"deep of {serving}, {skips} new": {"sample": {"reuse_steps": serving, "reuse_skips": skips}}
        for serving in steps
        for skips in (1, 2)
    }


BASE = decoder(5, 1) | {"sample": {"reuse_steps": 1}}
"""What all rows but the presets themselves begin from."""
SWITCHES: dict[str, dict[str, dict[str, Any]]] = {
    "balanced": {
        **{f"decoder {n} by {by}": decoder(n, by) for n, by in ((5, 2), (5, 1), (5, 0), (10, 0), (11, 1))},
        "sampler by 0": {"sample": {"window_overlap": 0}},
        **deep_features(2),
    },
    "fast": {
        **{f"decoder {n} by {by}": decoder(n, by) for n, by in ((5, 2), (5, 1), (5, 0), (10, 0), (11, 1))},
        **deep_features(2, 3),
    },
}
"""Preset -> row -> what it changes."""


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command's options."""
    summary = (__doc__ or "").split("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.preset_switches", description=summary)
    add_options(parser, frames=30)
    parser.add_argument("--tile", type=int, default=16, help="side of the tiles in latent pixels")
    parser.add_argument("--fusion", type=float, default=0.0, help="weight of the estimate's features")
    parser.add_argument("--presets", nargs="*", default=list(SWITCHES), choices=list(SWITCHES))
    parser.add_argument("--rows", nargs="*", help="rows that begin with one of these; all")
    return parser.parse_args(arguments)


def measure(clip: Trial, restored: Restored) -> dict[str, Any]:
    """The measures against the original, and the seam."""
    windows = [Windows(WINDOW)]
    plan = BorderPlan("windows of the sampler", lambda frames: find_borders(frames, [(0, frames)], windows))
    found = evaluate(clip.original, restored.path, settings=MEASURES, borders=plan)
    return {
        "psnr_y": found.psnr_y,
        "jod": found.cvvdp,
        "niqe": found.restored.niqe,
        "warping_error": found.restored.warping_error,
        "seam": found.seams.window,
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure all rows and print the table."""
    options = parse(arguments)
    rows: list[dict[str, Any]] = []
    print(f"{'preset':10}{'switch':24}{COLUMNS}")
    with trial(options) as clip:
        for preset in options.presets:
            itself = values(preset, options.tile)
            changed = {name: merge(merge(itself, BASE), change) for name, change in SWITCHES[preset].items()}
            for name, settings in {"as it is": itself, **changed}.items():
                if options.rows and not name.startswith(tuple(options.rows)):
                    continue
                restored = clip.restore(workspace=preset, fusion=options.fusion, **settings)
                rows.append({"preset": preset, "switch": name, **measure(clip, restored)})
                found = "".join(format(rows[-1][key], how) for key, how in MEASURED.items())
                print(f"{preset:10}{name:24}{found}", flush=True)
    write_result(options.json, {"rows": rows, "options": given(options), "machine": machine(torch.device("cpu"))})


if __name__ == "__main__":
    main()
