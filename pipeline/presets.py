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


CORRECTED: Mapping[str, Any] = {
    "form": "corrected",
    "target": "clean",
    "weighting": "constant",
    "scale": 0.1,
    "softness": 0.8,
}
"""Measured with the embedded networks; nothing has been with the full model yet (docs/presets.md)."""

PRESETS: Mapping[str, Preset] = {
    "embedded": Preset(
        "The default: the small networks that come with Reelift. A recurrent initial estimate, a few denoising steps "
        "from a third of the noise, corrected guidance; a clean source's low band is put back for the most part.",
    ),
    "conservative": Preset(
        "The embedded networks held to the source: little noise, all of the encoder's features, and the result, "
        "reduced, is the source again.",
        {"fidelity": 0.0, "decode": {"back_projection_if_clean": 0.0}},
    ),
    "detail": Preset(
        "The embedded networks given room: more noise, a third more of the encoder's features, hardly anything of the "
        "source put back.",
        {"fidelity": 0.8, "decode": {"back_projection_if_clean": 0.0}},
    ),
    "reference": Preset(
        "MGLD-VSR to the letter, with all its seams: needs a converted model folder. Disjoint windows of 5 frames, "
        "pixel tiles of 960 that are restored each by itself, bicubic estimate, 50 steps from full noise, latent tiles "
        "of 64 that overlap by half, published guidance, 8-bit truncation.",
        {
            "scale": 4.0,
            "canvas": "published",
            "seed": 42,
            # A multiple of the window, no overlap and no cuts: the windows are those of an undivided video.
            "split": {"chunk_frames": 25, "overlap_frames": 0, "detect_cuts": False},
            "flow": {
                "estimator": "raft",
                "reduction": 4,
                "occlusion_relative": 0.01,
                "occlusion_absolute": 0.5,
            },
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
                "tile_shift": 0,
                "pixel_tile": 960,
                "pixel_stride": 750,
                "noise": "restarted",
                "guidance": {"form": "published", "scale": -10.0, "begin": 0.0, "end": 1.0},
            },
            "decode": {
                "fusion_weight": 1.0,
                "back_projection_if_clean": 0.0,
                "colour_fix": "adain",
                "window_frames": 5,
                "window_overlap": 0,
                "last_window": "repeat",
                "temporal_filter": 0.0,
                "filter_flow": "source",
                "even_places": "result",
                "tile": None,
                "rounding": "truncate8",
            },
        },
    ),
    "balanced": Preset(
        "The full model without the published seams, in a third of the steps: windows that overlap, corrected guidance "
        "over the whole chunk, tiles that shift, decoding in tiles that leave no trace, wavelet colour correction of "
        "whole frames, no truncation.",
        {
            "flow": {"estimator": "raft", "reduction": 4},
            "sample": {
                "initial_estimate": "bicubic",
                "steps": 15,
                "start": 1.0,
                "solver": "ddpm",
                "window_overlap": 1,
                "encode_tile": 120,
                "tile": 64,
                "tile_shift": 32,
                "reuse_steps": 2,
                "guidance": CORRECTED,
            },
            "decode": {
                "back_projection_if_clean": 0.0,
                "window_frames": 11,
                "window_overlap": 1,
                "colour_fix": "wavelet",
                "temporal_filter": 0.25,
                "filter_flow": "source",
                "even_places": "result",
                "tile": 120,
            },
        },
    ),
    "fast": Preset(
        "The full model in a sixth of the steps: a solver of second order, windows that only share their noise and "
        "guidance, tiles that shift.",
        {
            "flow": {"estimator": "raft", "reduction": 4},
            "sample": {
                "initial_estimate": "bicubic",
                "steps": 8,
                "start": 1.0,
                "solver": "unipc",
                "window_overlap": 0,
                "encode_tile": 120,
                "tile": 64,
                "tile_shift": 32,
                "reuse_steps": 2,
                "guidance": CORRECTED,
            },
            "decode": {
                "back_projection_if_clean": 0.0,
                "window_frames": 11,
                "window_overlap": 1,
                "temporal_filter": 0.25,
                "filter_flow": "source",
                "even_places": "result",
                "tile": 120,
            },
        },
    ),
}
