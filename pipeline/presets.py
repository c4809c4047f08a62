"""Presets: named, documented sets of values, and nothing else.

A value that a preset does not name has the default of its field. A YAML file and ``--set`` go over a preset.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Preset:
    """A named set of values.

    Attributes:
        about: what it is for, in one or two sentences.
        values: nested settings, as in a YAML file.
    """

    about: str
    values: Mapping[str, Any] = field(default_factory=dict)


PRESETS: Mapping[str, Preset] = {
    "embedded": Preset(
        "The default: the small networks that come with Reelift. A recurrent initial estimate, a few denoising steps "
        "from a third of the noise, corrected guidance.",
    ),
    "reference": Preset(
        "MGLD-VSR to the letter, with all its seams: needs a converted model folder. Disjoint windows of 5 frames, "
        "bicubic estimate, 50 steps from full noise, tiles of 64 that overlap by half, published guidance, 8-bit "
        "truncation.",
        {
            "canvas": "published",
            "flow": {"estimator": "raft", "reduction": 4},
            "sample": {
                "initial_estimate": "bicubic",
                "sample_posterior": True,
                "steps": 50,
                "start": 1.0,
                "solver": "ddpm",
                "window_overlap": 0,
                "last_window": "repeat",
                "tile": 64,
                "tile_overlap": 32,
                "guidance": {"form": "published", "scale": -10.0},
            },
            "decode": {
                "fusion_weight": 1.0,
                "colour_fix": "adain",
                "window_frames": 5,
                "window_overlap": 0,
                "last_window": "repeat",
                "rounding": "truncate8",
            },
        },
    ),
    "balanced": Preset(
        "The full model without the published seams: windows that overlap, corrected guidance over the whole chunk, "
        "wavelet colour correction, no truncation.",
        {
            "flow": {"estimator": "raft", "reduction": 4},
            "sample": {
                "initial_estimate": "bicubic",
                "steps": 50,
                "start": 1.0,
                "solver": "ddpm",
                "window_overlap": 1,
                "tile": 64,
                "tile_overlap": 16,
                "guidance": {"form": "corrected"},
            },
            "decode": {"window_frames": 8, "window_overlap": 2, "colour_fix": "wavelet"},
        },
    ),
    "fast": Preset(
        "The full model in a third of the steps: deterministic sampling, windows that only share their noise and "
        "guidance, smaller overlap of tiles.",
        {
            "flow": {"estimator": "spynet"},
            "sample": {
                "initial_estimate": "bicubic",
                "steps": 15,
                "start": 1.0,
                "solver": "ddim",
                "window_overlap": 0,
                "tile": 64,
                "tile_overlap": 8,
                "guidance": {"form": "corrected"},
            },
            "decode": {"window_frames": 8, "window_overlap": 0},
        },
    ),
}
