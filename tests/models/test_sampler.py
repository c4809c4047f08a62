from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.guidance import CorrectedGuidance, PublishedGuidance
from models.motion import Motion
from models.multistep import NAMES
from models.noise import frame_noise
from models.sampler import START, sample_chunk
from models.schedule import DiffusionSchedule
from models.steps import GuidanceSettings, GuidedSteps, SamplerSettings
from models.windowed import WindowSettings

BASE = DiffusionSchedule.base()
SHAPE = (3, 6, 7)
PUBLISHED = GuidanceSettings("published", -10.0)
CORRECTED = GuidanceSettings("corrected", 0.1, softness=0.1)


def encoder(latents, timesteps, levels=None):
    return {latents.shape[-1]: latents}


def unet(latents, timesteps, prompt, structure, num_frames=None, deep=None):
    """Mixes the frames of a window, so that windows matter."""
    windows = latents.unflatten(0, (-1, num_frames))
    mixed = 0.8 * windows + 0.2 * windows.mean(1, keepdim=True)
    return mixed.flatten(0, 1).tanh() + 0.1 * structure[latents.shape[-1]] + 1e-3 * timesteps


def noise(frame, step):
    return frame_noise(42, "v", frame, step, SHAPE)


def chunk(frames, seed=0):
    generator = torch.Generator().manual_seed(seed)
    structure = torch.randn(frames, *SHAPE, generator=generator)
    flows = torch.randn(2, max(frames - 1, 0), 2, *SHAPE[1:], generator=generator)
    return structure, Motion.from_flow(*flows)


def sample(frames, options, motion=None, **more):
    structure, own = chunk(frames)
    motion = own if motion is None else motion
    return sample_chunk(unet, encoder, BASE, structure, None, noise, options, motion, **more)


@settings(max_examples=30, deadline=None)
@given(
    frames=st.integers(1, 12),
    steps=st.integers(1, 4),
    start=st.sampled_from([0.2, 1.0]),
    solver=st.sampled_from(["ddpm", "ddim", *NAMES]),
    last_window=st.sampled_from(["shift", "repeat"]),
    overlap=st.integers(0, 4),
    guidance=st.sampled_from([GuidanceSettings(), PUBLISHED, CORRECTED, replace(CORRECTED, target="clean")]),
)
def test_a_chunk_of_any_length_is_sampled(frames, steps, start, solver, last_window, overlap, guidance):
    options = SamplerSettings(steps, start, solver, last_window, WindowSettings(overlap=overlap), guidance)
    result = sample(frames, options)
    assert result.shape == (frames, *SHAPE) and result.dtype == torch.float32 and result.isfinite().all()


def test_result_does_not_depend_on_the_size_of_batches():
    options = SamplerSettings(3, windows=WindowSettings(tile=4, tile_overlap=2), guidance=CORRECTED)
    together = replace(options, windows=replace(options.windows, batch=7))
    assert torch.allclose(sample(9, options), sample(9, together), atol=1e-5)


def test_start_is_the_structure_noised_at_index_999_of_the_base_schedule():
    steps = GuidedSteps(BASE, SamplerSettings(steps=4), None)
    assert steps.first_index == 999
    found = steps.noised(torch.ones(1), torch.full((1,), 2.0))
    abar = BASE.alphas_cumprod[999]
    assert torch.allclose(found, abar.sqrt() + 2 * (1 - abar).sqrt())


def test_start_may_be_another_estimate_than_the_structure():
    structure, _ = chunk(5)
    seen = []
    options = SamplerSettings(1, start=0.1, solver="ddim")

    def watch(latents, *arguments, **named):
        seen.append(latents)
        return unet(latents, *arguments, **named)

    sample_chunk(watch, encoder, BASE, structure, None, noise, options, initial=structure + 5)
    expected = BASE.add_noise(structure + 5, torch.stack([noise(frame, START) for frame in range(5)]), 100)
    assert torch.allclose(seen[0], expected, atol=1e-5)


def test_networks_are_told_the_mapped_timestep():
    seen = []

    def watch(latents, timesteps, levels=None):
        seen.append(timesteps.tolist())
        return encoder(latents, timesteps)

    structure, _ = chunk(5)
    sample_chunk(unet, watch, BASE, structure, None, noise, SamplerSettings(4))
    assert seen == [[999], [666], [333], [0]]


def test_one_step_of_the_published_sampler_written_out():
    structure, motion = chunk(5)
    options = SamplerSettings(4, guidance=PUBLISHED)
    records = []
    sample(5, options, record=records.append)
    schedule, x = BASE.respace(4), records[0].latents
    fresh = torch.stack([noise(frame, 1) for frame in range(5)])
    eps = unet(x, torch.tensor([666]), None, {7: structure}, num_frames=5)
    clean = x * (1 / schedule.alphas_cumprod[2]).sqrt() - eps * (1 / schedule.alphas_cumprod[2] - 1).sqrt()
    mean = schedule.posterior_mean_coef1[2] * clean + schedule.posterior_mean_coef2[2] * x
    log_variance = schedule.posterior_log_variance_clipped[2]
    z = mean + (0.5 * log_variance).exp() * fresh
    z = z + 10 * log_variance * PublishedGuidance(motion).gradient(z)
    assert torch.allclose(records[1].latents, z, atol=1e-4)


def test_clean_prediction_is_not_clipped():
    records = []
    sample(5, SamplerSettings(1), record=records.append)
    assert records[0].latents.abs().max() > 3


def test_nothing_is_added_at_the_last_step():
    asked = []

    def watch(frame, step):
        asked.append(step)
        return noise(frame, step)

    structure, _ = chunk(5)
    sample_chunk(unet, encoder, BASE, structure, None, watch, SamplerSettings(3))
    assert set(asked) == {START, 0, 1}


def test_published_guidance_is_scaled_by_the_log_variance_and_460_at_the_last_step():
    _, motion = chunk(5)
    steps = GuidedSteps(BASE, SamplerSettings(4, guidance=PUBLISHED), motion)
    latents = torch.randn(5, *SHAPE)
    gradient = PublishedGuidance(motion).gradient(latents)
    for step in range(4):
        guided, _ = steps.guide(latents, step)
        factor = 10 * float(steps.schedule.posterior_log_variance_clipped[3 - step])
        assert torch.allclose(guided - latents, factor * gradient, atol=1e-5)
    assert factor == pytest.approx(-460.5, abs=0.1)


def test_published_guidance_treats_each_window_by_itself():
    structure, motion = chunk(10)
    steps = GuidedSteps(BASE, SamplerSettings(4, guidance=PUBLISHED), motion)
    guided, loss = steps.guide(structure, 1)
    total = 0.0
    for part in (slice(0, 5), slice(5, 10)):
        alone = GuidedSteps(BASE, SamplerSettings(4, guidance=PUBLISHED), motion.pairs(part.start, part.stop - 1))
        expected, value = alone.guide(structure[part], 1)
        assert torch.equal(guided[part], expected)
        total += value
    assert loss == pytest.approx(total)


def test_corrected_guidance_crosses_the_borders_of_windows_and_ends_with_the_variance():
    structure, motion = chunk(10)
    guidance = GuidanceSettings("corrected", 0.5)
    steps = GuidedSteps(BASE, SamplerSettings(4, guidance=guidance), motion)
    changed = structure.clone()
    changed[5] += 3
    difference = steps.guide(changed, 0)[0] - steps.guide(structure, 0)[0]
    assert difference[4].any() and not difference[3].any()
    assert torch.equal(steps.guide(structure, 3)[0], structure)
    gradient = CorrectedGuidance(motion).loss_and_gradient(structure)[1]
    variance = float(steps.schedule.posterior_variance[3])
    assert torch.allclose(steps.guide(structure, 0)[0], structure - 0.5 * variance * gradient)


def test_corrected_guidance_may_have_a_constant_step_and_be_limited_to_some_steps():
    structure, motion = chunk(6)
    guidance = GuidanceSettings("corrected", 0.01, weighting="constant", begin=0.5)
    steps = GuidedSteps(BASE, SamplerSettings(4, guidance=guidance), motion)
    assert torch.equal(steps.guide(structure, 1)[0], structure)
    for step in (2, 3):
        moved = steps.guide(structure, step)[0] - structure
        assert 0 < moved.abs().max() < 0.1


def test_ddim_with_the_true_noise_returns_to_where_it_started():
    structure, _ = chunk(5)
    eps = torch.stack([noise(frame, START) for frame in range(5)])

    def oracle(latents, timesteps, prompt, features, num_frames=None, deep=None):
        return eps

    for start in (0.3, 1.0):
        options = SamplerSettings(5, start, "ddim")
        result = sample_chunk(oracle, encoder, BASE, structure, None, noise, options)
        assert torch.allclose(result, structure, atol=1e-3)


def test_repeat_fills_the_last_window_and_keeps_the_result_of_the_last_repetition():
    structure, motion = chunk(7)
    options = SamplerSettings(3, guidance=PUBLISHED)
    found = sample(7, options)
    filled = structure[torch.arange(10).clamp(max=6)]
    full = sample_chunk(unet, encoder, BASE, filled, None, noise, options, motion.padded(9))
    assert torch.equal(found, torch.cat((full[:6], full[9:])))
    # The repetitions have noise of their own.
    assert not torch.allclose(full[6], full[9], atol=0.1)


def test_shift_leaves_the_frames_of_other_windows_to_a_blend_and_draws_no_more_noise():
    asked = set()

    def watch(frame, step):
        asked.add(frame)
        return noise(frame, step)

    structure, _ = chunk(7)
    sample_chunk(unet, encoder, BASE, structure, None, watch, SamplerSettings(2, last_window="shift"))
    assert asked == set(range(7))


def test_the_same_frames_start_from_the_same_noise_in_any_chunk():
    def from_frame(first):
        return lambda frame, step: noise(first + frame, step)

    structure, _ = chunk(10)
    options = SamplerSettings(2, windows=WindowSettings(num_frames=1))
    whole = sample_chunk(unet, encoder, BASE, structure, None, from_frame(0), options)
    part = sample_chunk(unet, encoder, BASE, structure[4:], None, from_frame(4), options)
    assert torch.allclose(whole[4:], part, atol=1e-5)


def test_what_does_not_fit_is_refused():
    structure, _ = chunk(5)
    with pytest.raises(ValueError, match="guidance needs"):
        sample_chunk(unet, encoder, BASE, structure, None, noise, SamplerSettings(1, guidance=CORRECTED))
    with pytest.raises(ValueError, match="does not fit"):
        sample(4, SamplerSettings(1, guidance=CORRECTED), motion=chunk(6)[1])
    with pytest.raises(ValueError, match="do not fit"):
        sample(4, SamplerSettings(1), initial=structure)
    with pytest.raises(ValueError, match="cannot take"):
        sample(4, SamplerSettings(5, start=0.001))
    with pytest.raises(ValueError, match="noise level"):
        SamplerSettings(start=0.0)
