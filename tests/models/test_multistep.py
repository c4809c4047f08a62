"""Solvers of higher order, on data of which the exact answer is known."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from models.multistep import NAMES, MultistepSolver
from models.sampler import sample_chunk
from models.schedule import DiffusionSchedule
from models.steps import SamplerSettings

BASE = DiffusionSchedule.base()
MEAN, DEVIATION = 0.7, 0.3
SHAPE = (2, 6, 6)


def exact_noise(latents: Tensor, timesteps: Tensor, *_: object, **__: object) -> Tensor:
    """What a perfect network predicts if every latent is drawn from N(MEAN, DEVIATION²)."""
    level = float(BASE.alphas_cumprod[int(timesteps[0])])
    spread = level * DEVIATION**2 + 1 - level
    return math.sqrt(1 - level) * (latents - math.sqrt(level) * MEAN) / spread


def no_structure(latents: Tensor, timesteps: Tensor, levels: int | None = None) -> dict[int, Tensor]:
    return {}


def sampled(solver: str, steps: int, start: float = 1.0, seed: int = 0) -> Tensor:
    def noise(frame: int, step: int | str) -> Tensor:
        number = 1000 if step == "start" else int(step)
        return torch.randn(SHAPE, generator=torch.Generator().manual_seed(10_000 * seed + 100 * number + frame))

    settings = SamplerSettings(steps, start, solver, "shift")  # type: ignore[arg-type]
    return sample_chunk(exact_noise, no_structure, BASE, torch.zeros(5, *SHAPE), None, noise, settings)  # type: ignore[arg-type]


def exact(start: float) -> Tensor:
    """Where the flow of probability takes what sampling starts from: it keeps the place within the distribution."""
    level = float(BASE.alphas_cumprod[round(start * 999)])
    drawn = [torch.randn(SHAPE, generator=torch.Generator().manual_seed(100_000 + frame)) for frame in range(5)]
    noisy = math.sqrt(1 - level) * torch.stack(drawn)
    spread = math.sqrt(level * DEVIATION**2 + 1 - level)
    return MEAN + DEVIATION * (noisy - math.sqrt(level) * MEAN) / spread


@pytest.mark.parametrize("start", [1.0, 0.5])
@pytest.mark.parametrize("solver", ["dpmsolver++", "unipc"])
def test_eight_steps_are_nearer_to_the_exact_answer_than_forty_of_ddim(solver: str, start: float) -> None:
    def error(solver: str, steps: int) -> float:
        return float((sampled(solver, steps, start) - exact(start)).abs().max())

    assert error(solver, 8) < error("ddim", 40)
    assert error(solver, 40) < 0.006 < error(solver, 8)


def test_the_stochastic_solver_draws_from_the_right_distribution() -> None:
    drawn = torch.stack([sampled("sde-dpmsolver++", 25, seed=seed) for seed in range(4)])
    assert float(drawn.mean()) == pytest.approx(MEAN, abs=0.04)
    assert float(drawn.std()) == pytest.approx(DEVIATION, rel=0.1)
    assert not torch.equal(drawn[0], drawn[1])


@pytest.mark.parametrize("name", NAMES)
def test_steps_are_densest_where_little_noise_is_left_and_end_without_any(name: str) -> None:
    solver = MultistepSolver(name, BASE, 4, 399)
    assert solver.timesteps == [399, 132, 16, 0]
    clean = torch.randn(1, *SHAPE)
    latents = torch.randn(1, *SHAPE)
    for step in range(4):
        latents = solver.advance(clean, latents, step, None)
    torch.testing.assert_close(latents, clean, atol=1e-4, rtol=1e-4)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="no solver is called 'euler'; there are dpmsolver"):
        MultistepSolver("euler", BASE, 4, 999)
    with pytest.raises(ValueError, match="cannot take 9 steps of unipc below timestep 5"):
        MultistepSolver("unipc", BASE, 9, 5)
