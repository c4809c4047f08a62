"""What single settings of the default preset give and cost: a crop of the sample clip, shipped networks,
all of a picture (the estimate's features fused).

    python -m benchmarks.sampling [--frames 8] [--json benchmarks/results/sampling.json]

The first row is the preset `embedded`, without its temporal filter; the others change one thing. CPU seconds are those
of the whole run.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import torch

from benchmarks.latents_alone import COLUMNS, add_options, columns, trial
from benchmarks.machine import machine
from benchmarks.record import given, write_result
from pipeline.config import merge
from stages.decode.config import DecodeConfig
from stages.sample.config import SampleConfig

SAMPLING: dict[str, dict[str, Any]] = {
    "embedded, unfiltered": {},
    "1 step": {"steps": 1},
    "6 steps": {"steps": 6},
    "unipc, 6 steps": {"steps": 6, "solver": "unipc"},
    "ddpm, 6 steps": {"steps": 6, "solver": "ddpm"},
    "start 0.1": {"start": 0.1},
    "start 0.6": {"start": 0.6},
    "start 1, 6 steps": {"start": 1.0, "steps": 6},
    "no guidance": {"guidance": {"form": "none"}},
    "bicubic estimate, start 1, 6 steps": {"initial_estimate": "bicubic", "start": 1.0, "steps": 6},
}
FUSION = (0.0, 0.5, 0.7, 1.2, 1.4)
"""Weights of the estimate's features, beside the preset's own."""


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command's options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sampling", description=(__doc__ or "").split("\n")[0])
    add_options(parser, frames=8)
    parser.set_defaults(start=SampleConfig().start)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure all rows and print the table."""
    options = parse(arguments)
    shipped = {"initial_estimate": SampleConfig().initial_estimate}
    ways = [(name, DecodeConfig().fusion_weight, change) for name, change in SAMPLING.items()]
    ways += [(f"fusion {weight:g}", weight, {}) for weight in FUSION]
    rows: list[dict[str, Any]] = []
    print(f"{'setting':38}{COLUMNS}")
    with trial(options) as clip:
        clip.restore(fusion=DecodeConfig().fusion_weight, sample=shipped)  # the first time takes longer
        for name, fusion, change in ways:
            restored = clip.restore(fusion=fusion, sample=merge(shipped, change))
            rows.append({"setting": name, **clip.measure(restored)})
            print(f"{name:38}{columns(rows[-1])}", flush=True)
    write_result(options.json, {"rows": rows, "options": given(options), "machine": machine(torch.device("cpu"))})


if __name__ == "__main__":
    main()
