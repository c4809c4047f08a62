"""What configuration is refused by, held against what sampling itself refuses."""

from __future__ import annotations

from typing import get_args

import pytest
import torch

from models.choices import Solver
from models.noise_levels import TIMESTEPS, first_index, most_steps
from models.schedule import DiffusionSchedule
from models.steps import GuidedSteps, SamplerSettings

BASE = DiffusionSchedule.base()
SOLVERS = [name for names in get_args(Solver) for name in get_args(names)]


def test_configuration_counts_the_timesteps_of_the_schedule() -> None:
    assert len(BASE) == TIMESTEPS


@pytest.mark.parametrize("start", [0.0001, 0.001, 0.0025, 0.0205, 0.1, 1.0])
@pytest.mark.parametrize("solver", SOLVERS)
def test_the_most_steps_can_be_taken_and_no_more(solver: Solver, start: float) -> None:
    most = most_steps(solver, first_index(start))
    if most:
        steps = GuidedSteps(BASE, SamplerSettings(most, start, solver, "shift"), motion=None)
        latents = torch.zeros(1, 1, 2, 2)
        for step in range(min(most, 100)):
            latents, _ = steps.advance(latents, torch.ones_like(latents), step, None)
        assert latents.isfinite().all()
    with pytest.raises(ValueError, match=f"cannot take {most + 1} steps"):
        GuidedSteps(BASE, SamplerSettings(most + 1, start, solver, "shift"), motion=None)
