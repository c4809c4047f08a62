"""What a stored schedule says. It imports no torch: a driver asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def base_arguments(config: Mapping[str, Any]) -> tuple[float, float, int]:
    """Return what ``DiffusionSchedule.base`` takes, from a diffusers ``scheduler_config.json``.

    Returns:
        First and last beta, each in (0, 1), and the number of timesteps, at least 1.

    Raises:
        ValueError: it describes another kind of schedule or of prediction than Stable Diffusion's, or lacks a number.
    """
    kind = (config.get("beta_schedule", "scaled_linear"), config.get("prediction_type", "epsilon"))
    if kind != ("scaled_linear", "epsilon"):
        raise ValueError(f"beta schedule and prediction type are {kind}, not ('scaled_linear', 'epsilon')")
    count = config.get("num_train_timesteps")
    if not isinstance(count, int) or count < 1:
        raise ValueError(f"num_train_timesteps is {count!r}, not a whole number of at least 1")
    return _beta(config, "beta_start"), _beta(config, "beta_end"), count


def _beta(config: Mapping[str, Any], key: str) -> float:
    beta = config.get(key)
    if not isinstance(beta, int | float) or not 0 < beta < 1:
        raise ValueError(f"{key} is {beta!r}, not a number between 0 and 1")
    return float(beta)
