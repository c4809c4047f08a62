"""How much smaller than a frame its latent is. It imports no torch: a driver asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

LEAST_LATENT_WIDTH = 5
"""Halved three times, it still has a width of its own at each level, by which structure conditions are told apart."""


def downscale(config: Mapping[str, Any]) -> int:
    """Return how many times smaller than a frame the latent of a VAE with this configuration is."""
    return int(config.get("patch_size", 1)) * 2 ** (len(config["block_out_channels"]) - 1)
