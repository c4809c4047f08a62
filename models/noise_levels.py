"""Where in the schedule sampling starts, and how many steps there is room for. Without torch: configuration asks."""

from __future__ import annotations

from models.choices import Solver

TIMESTEPS = 1000
"""Of Stable Diffusion's schedule. A model folder may describe another, which is known when it is loaded."""


def first_index(start: float, timesteps: int = TIMESTEPS) -> int:
    """Return the index of the noise level that sampling starts from.

    Args:
        start: in (0, 1]; 1 is the noisiest.
        timesteps: of the schedule, at least 1.
    """
    return round(start * (timesteps - 1))


def most_steps(solver: Solver, first: int) -> int:
    """Return how many steps a solver can take from the noise level of index ``first``, at least 0, down to none."""
    # Solvers of higher order go from the least noisy level to none within the last step; for the others it is a step.
    return first + 1 if solver in ("ddpm", "ddim") else first
