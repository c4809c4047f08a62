"""How much smaller than a frame its latent is. It imports no torch: a driver asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def downscale(config: Mapping[str, Any]) -> int:
    """Return how many times smaller than a frame the latent of a VAE with this configuration is."""
    return int(config.get("patch_size", 1)) * 2 ** (len(config["block_out_channels"]) - 1)
