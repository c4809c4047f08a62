from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from models.schedule import DiffusionSchedule, spaced_indices

GOLDEN = load_file(Path(__file__).parents[1] / "golden" / "schedule.safetensors")
BASE = DiffusionSchedule.base()


def test_base_and_respaced_coefficients_equal_the_published_ones_bit_for_bit():
    compared = 0
    for name, expected in GOLDEN.items():
        kind, _, field = name.removeprefix("out.").partition(".")
        if kind.startswith("timestep_map"):
            continue
        schedule = BASE if kind.startswith("base") else BASE.respace(int(kind.removeprefix("respaced")))
        assert torch.equal(getattr(schedule, field), expected), name
        compared += 1
    assert compared > 40


@pytest.mark.parametrize("steps", [2, 4, 50, 1000])
def test_timestep_map_is_rounded_from_a_stride_added_up(steps):
    assert torch.equal(BASE.respace(steps).timesteps, GOLDEN[f"out.timestep_map{steps}"])


def test_timestep_map_rounds_half_to_even():
    assert spaced_indices(3, 5) == [0, 2, 5]
    assert spaced_indices(3, 7) == [0, 4, 7]


def test_log_variance_of_index_0_is_that_of_1e_20():
    for schedule in (BASE, BASE.respace(4), BASE.respace(1)):
        assert schedule.posterior_variance[0] == 0
        assert float(schedule.posterior_log_variance_clipped[0]) == pytest.approx(-46.0517, abs=1e-4)


def test_respacing_takes_the_products_in_float32():
    schedule = BASE.respace(4)
    abar = BASE.alphas_cumprod.numpy()[[0, 333, 666, 999]]
    expected = np.float32(1) - abar / np.concatenate((np.ones(1, np.float32), abar[:-1]))
    assert schedule.betas.tolist() == expected.tolist()
    exact = np.cumprod(1 - np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2)[[0, 333, 666, 999]]
    in_float64 = (1 - exact / np.concatenate((np.ones(1), exact[:-1]))).astype(np.float32)
    assert schedule.betas.tolist() != in_float64.tolist()


def test_respacing_to_all_steps_is_not_bit_identical_to_the_base():
    respaced = BASE.respace(1000)
    assert torch.equal(respaced.betas, GOLDEN["out.respaced1000.betas"])
    assert not torch.equal(respaced.betas, BASE.betas)
    assert torch.allclose(respaced.betas, BASE.betas, atol=1e-6)


def test_one_step_which_the_published_system_cannot_take_goes_to_the_prediction():
    schedule = BASE.respace(1)
    assert schedule.timesteps.tolist() == [999]
    clean, latents = torch.randn(2, 4), torch.randn(2, 4)
    assert torch.allclose(schedule.posterior_mean(clean, latents, 0), clean, atol=1e-6)


def test_a_partly_noised_start_spreads_the_steps_below_it():
    schedule = BASE.respace(4, last=300)
    assert schedule.timesteps.tolist() == [0, 100, 200, 300]
    assert torch.allclose(schedule.alphas_cumprod, BASE.alphas_cumprod[schedule.timesteps], atol=1e-6)


def test_the_start_of_sampling_is_not_pure_noise():
    clean = torch.ones(3)
    noised = BASE.add_noise(clean, torch.zeros(3), 999)
    assert torch.allclose(noised, BASE.alphas_cumprod[999].sqrt().expand(3))
    assert float(noised[0]) > 0.06


@settings(max_examples=30, deadline=None)
@given(steps=st.integers(1, 60), last=st.integers(0, 999), seed=st.integers(0, 9))
def test_the_true_noise_leads_back_to_the_clean_latents(steps, last, seed):
    steps = min(steps, last + 1)
    schedule = BASE.respace(steps, last)
    assert len(set(schedule.timesteps.tolist())) == steps
    generator = torch.Generator().manual_seed(seed)
    clean, eps = torch.randn(2, 8, generator=generator)
    index = steps - 1
    latents = schedule.add_noise(clean, eps, index)
    assert torch.allclose(schedule.predict_clean(latents, eps, index), clean, atol=2e-3)
    for index in range(steps - 1, -1, -1):
        latents = schedule.deterministic_step(schedule.predict_clean(latents, eps, index), eps, index)
    assert torch.allclose(latents, clean, atol=2e-2)


@pytest.mark.parametrize(("steps", "last"), [(0, 999), (5, 3), (2, 1000), (1, -1)])
def test_impossible_steps_are_refused(steps, last):
    with pytest.raises(ValueError, match="cannot take"):
        BASE.respace(steps, last)


def test_config_of_diffusers_is_understood_and_others_refused():
    config = {"beta_start": 0.00085, "beta_end": 0.012, "num_train_timesteps": 1000, "beta_schedule": "scaled_linear"}
    assert torch.equal(DiffusionSchedule.from_config(config).betas, BASE.betas)
    with pytest.raises(ValueError, match="linear"):
        DiffusionSchedule.from_config(config | {"beta_schedule": "linear"})
    with pytest.raises(ValueError, match="v_prediction"):
        DiffusionSchedule.from_config(config | {"prediction_type": "v_prediction"})
