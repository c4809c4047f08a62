"""The presets' settings of sampling and decoding, without the configuration that the run reads them from.

A GPU machine needs nothing but torch, diffusers and safetensors to be measured; that these values are those of
``pipeline.presets`` is tested.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from models.steps import GuidanceSettings, SamplerSettings
from models.windowed import WindowSettings

PUBLISHED = GuidanceSettings("published", -10.0)
CORRECTED = GuidanceSettings("corrected", 0.1, weighting="constant", softness=0.8, target="clean")
PUBLISHED_STEPS = 50
EMBEDDED_STEPS, EMBEDDED_START = 3, 0.3
"""Tuned whenever the embedded networks are trained."""


@dataclass(frozen=True, slots=True)
class Preset:
    """How a preset samples and decodes.

    Attributes:
        sampler: its settings.
        decode_window: frames that the decoder sees at once.
        decode_overlap: frames shared by neighbouring windows of the decoder.
    """

    sampler: SamplerSettings
    decode_window: int = 5
    decode_overlap: int = 0


def presets(steps: int, tile: int, batch: int, dtype: torch.dtype) -> dict[str, Preset]:
    """The presets by name.

    Args:
        steps: of "reference", 50 in the presets; "balanced" and "fast" take their share, "embedded" its own few.
        tile: side of the tiles in latent pixels, 64 in the presets; their overlap and shift keep their share of it.
        batch: windows times tiles per call; for "reference" this is ours alone, and changes nothing but time.
        dtype: that the networks compute in.
    """

    def share(of: int) -> int:
        return max(1, round(steps * of / PUBLISHED_STEPS))

    published = WindowSettings(5, 0, tile, tile // 2, batch=batch, dtype=dtype)
    overlapping, disjoint = (
        WindowSettings(5, overlap, tile, tile_shift=tile // 2, batch=batch, dtype=dtype, reuse_steps=2)
        for overlap in (1, 0)
    )
    whole = WindowSettings(5, batch=batch, dtype=dtype)
    return {
        "reference": Preset(SamplerSettings(steps, windows=published, guidance=PUBLISHED)),
        "balanced": Preset(
            SamplerSettings(share(15), last_window="shift", windows=overlapping, guidance=CORRECTED), 11, 1
        ),
        "fast": Preset(
            SamplerSettings(share(8), solver="unipc", last_window="shift", windows=disjoint, guidance=CORRECTED), 11, 1
        ),
        "embedded": Preset(SamplerSettings(EMBEDDED_STEPS, EMBEDDED_START, "ddim", "shift", whole, CORRECTED), 8, 2),
    }
