"""What is particular about the published system around its networks (golden README, sections 6 to 12)."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch.nn import functional

from models.canvas import flow_frames, upscale
from models.motion import Motion
from models.noise import frame_noise
from models.sampler import sample_chunk
from models.schedule import DiffusionSchedule
from models.steps import GuidanceSettings, GuidedSteps, SamplerSettings
from models.windowed import WindowSettings

BASE = DiffusionSchedule.base()
SHAPE = (3, 6, 10)


def structure_encoder(latents, timesteps, levels=None):
    return {latents.shape[-1]: latents}


def unet(latents, timesteps, prompt, structure, num_frames=None, deep=None):
    return latents.mean(dim=(2, 3), keepdim=True).expand_as(latents) + 0.1 * structure[latents.shape[-1]]


def noise(frame, step):
    return frame_noise(42, "v", frame, step, SHAPE)


def test_flows_0_is_backward_and_flows_1_is_forward(golden):
    vectors = golden("motion_guidance")
    flow0, flow1 = (vectors.outputs[f"flow{i}_resized"][0] for i in (0, 1))
    motion, exchanged = Motion.from_flow(flow1, flow0), Motion.from_flow(flow0, flow1)
    expected = vectors.outputs["fwd_occ"][0], vectors.outputs["bwd_occ"][0]
    assert torch.equal(motion.forward_occlusion, expected[0]) and torch.equal(motion.backward_occlusion, expected[1])
    assert not torch.equal(exchanged.forward_occlusion, expected[0])


def test_only_the_prediction_is_blended_the_rest_of_a_step_is_on_the_whole_canvas():
    structure = torch.randn(5, *SHAPE)
    motion = Motion.from_flow(*torch.randn(2, 4, 2, *SHAPE[1:]))
    windows = WindowSettings(tile=6, tile_overlap=3)
    settings = SamplerSettings(3, windows=windows, guidance=GuidanceSettings("published"))
    records = []
    sample_chunk(unet, structure_encoder, BASE, structure, None, noise, settings, motion, record=records.append)
    steps = GuidedSteps(BASE, settings, motion)
    for before, record in pairwise(records):
        fresh = torch.stack([noise(frame, record.step) for frame in range(5)])
        unguided, _ = steps.advance(before.latents, record.eps, record.step, fresh)
        guided, _ = steps.guide(unguided, record.step)
        torch.testing.assert_close(guided, record.latents, atol=1e-5, rtol=1e-5)


def test_there_is_one_prompt_and_no_guidance_by_leaving_it_out():
    prompts = []

    def watch(latents, timesteps, prompt, structure, num_frames=None, deep=None):
        prompts.append(prompt)
        return unet(latents, timesteps, prompt, structure)

    settings = SamplerSettings(2, windows=WindowSettings(tile=6, tile_overlap=2))
    prompt = torch.randn(1, 7, 5)
    sample_chunk(watch, structure_encoder, BASE, torch.randn(5, *SHAPE), prompt, noise, settings)
    # Two tiles, two steps: once each.
    assert len(prompts) == 4 and all(torch.equal(given, prompt) for given in prompts)


def test_enlarging_and_the_flows_reducing_are_bicubic_without_antialiasing(seeded):
    frames = torch.rand(1, 3, 16, 24) * 0.5
    impulse = torch.zeros(1, 1, 9, 9)
    impulse[..., 4, 4] = 1

    # Pixels a quarter and three quarters beside the impulse, by the kernel with a = -0.75.
    def kernel(x: float) -> float:
        return 1.25 * x**3 - 2.25 * x**2 + 1

    enlarged = upscale(impulse, (18, 18))
    assert abs(float(enlarged[0, 0, 8, 8]) - kernel(0.25) ** 2) < 1e-6
    assert abs(float(enlarged[0, 0, 8, 10]) - kernel(0.25) * kernel(0.75)) < 1e-6
    plain, smooth = (
        functional.interpolate((frames + 1) / 2, size=(4, 6), mode="bicubic", align_corners=False, antialias=antialias)
        for antialias in (False, True)
    )
    assert torch.equal(flow_frames(frames), plain) and not torch.allclose(flow_frames(frames), smooth, atol=1e-3)
