from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from models.comparisons import bilinear_corners
from models.guidance import CorrectedGuidance, PublishedGuidance
from models.motion import Motion
from models.warping import resize_flow, warp

GOLDEN = load_file(Path(__file__).parents[1] / "golden" / "motion_guidance.safetensors")


@pytest.fixture
def golden() -> tuple[torch.Tensor, Motion]:
    latents = GOLDEN["in.latents"]
    backward, forward = (resize_flow(GOLDEN[f"in.flow{i}_src"], latents.shape[-2:])[0] for i in (0, 1))
    return latents, Motion.from_flow(forward, backward)


def random_case(seed, frames, height=5, width=6, channels=3):
    generator = torch.Generator().manual_seed(seed)
    forward, backward = 2 * torch.randn(2, frames - 1, 2, height, width, generator=generator)
    masks = (torch.rand(2, frames - 1, 1, height, width, generator=generator) < 0.3).float()
    return torch.randn(frames, channels, height, width, generator=generator), Motion(forward, backward, *masks)


def autograd(loss, latents):
    leaf = latents.clone().requires_grad_()
    return torch.autograd.grad(loss(leaf), leaf)[0]


def replaced(motion, **changes):
    names = ("forward", "backward", "forward_occlusion", "backward_occlusion")
    return Motion(**{name: changes.get(name, getattr(motion, name)) for name in names})


def test_published_loss_and_gradient(golden):
    latents, motion = golden
    loss, gradient = PublishedGuidance(motion).loss_and_gradient(latents)
    assert abs(float(loss) - float(GOLDEN["out.loss"])) < 1e-5
    assert (gradient - GOLDEN["out.grad"]).abs().max() < 1e-8


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10**6), frames=st.integers(2, 8), published=st.booleans(), softness=st.sampled_from([0, 0.7])
)
def test_the_closed_form_is_the_gradient(seed, frames, published, softness):
    latents, motion = random_case(seed, frames)
    if published:
        guidance, count = PublishedGuidance(motion), 1
    else:
        guidance = CorrectedGuidance(motion, softness)
        visible = 1 - torch.cat((motion.forward_occlusion, motion.backward_occlusion))
        count = max(float(visible.sum()) * latents.shape[1], 1)
    loss, gradient = guidance.loss_and_gradient(latents)
    assert torch.allclose(loss, guidance.loss(latents))
    assert torch.allclose(gradient, count * autograd(guidance.loss, latents), atol=2e-6)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), frames=st.integers(2, 8), height=st.integers(1, 5), width=st.integers(1, 5))
def test_in_fixed_point_as_on_a_gpu_the_gradient_is_the_same(seed, frames, height, width):
    latents, motion = random_case(seed, frames, height, width)
    comparisons = CorrectedGuidance(motion).comparisons
    slopes = comparisons.differences(latents).sign() * comparisons.visible
    fixed = comparisons._pull_back_in_fixed_point(slopes, frames)
    assert torch.allclose(fixed, comparisons.pull_back(slopes, frames), atol=2e-6)


def test_published_neighbours_use_the_flow_of_the_pair_one_further_on(golden):
    latents, motion = golden
    z, forward, backward = latents, motion.forward, motion.backward
    mf, mb = 1 - motion.forward_occlusion, 1 - motion.backward_occlusion

    def difference(mask, a, c):
        return (mask * a - mask * c).abs().mean()

    loss = difference(mf[3], 0, z[3]) + difference(mb[0], 0, z[1])
    for i in range(3):
        loss += difference(mf[i], warp(z[i + 1 : i + 2], forward[i + 1 : i + 2])[0], z[i])
        loss += difference(mb[i + 1], warp(z[i + 1 : i + 2], backward[i : i + 1])[0], z[i + 2])
    assert float(PublishedGuidance(motion).loss(z)) == pytest.approx(float(loss), rel=1e-6)


def test_published_first_term_of_each_direction_pulls_a_frame_towards_zero(golden):
    _, motion = golden
    for frame in (1, 3):
        latents = torch.zeros(5, 4, 24, 32)
        latents[frame] = 1.0
        still = replaced(motion, forward=torch.full_like(motion.forward, 1e4), backward=motion.forward + 1e4)
        # With every neighbour moved out of the picture, only comparisons with zero are left.
        gradient = PublishedGuidance(still).gradient(latents)
        assert gradient[frame].min() >= 0 and gradient[frame].max() > 0


def test_published_first_forward_and_last_backward_flow_are_never_used(golden):
    latents, motion = golden
    forward, backward = motion.forward.clone(), motion.backward.clone()
    forward[0], backward[-1] = 3.0, -2.0
    changed = PublishedGuidance(replaced(motion, forward=forward, backward=backward))
    assert torch.equal(changed.loss(latents), PublishedGuidance(motion).loss(latents))
    forward[1] = 3.0
    changed = PublishedGuidance(replaced(motion, forward=forward, backward=backward))
    assert not torch.equal(changed.loss(latents), PublishedGuidance(motion).loss(latents))


def test_published_outer_frames_take_part_in_one_direction_only(golden):
    latents, motion = golden
    everywhere = torch.ones_like(motion.forward_occlusion)
    without_b = PublishedGuidance(replaced(motion, backward_occlusion=everywhere)).gradient(latents)
    without_f = PublishedGuidance(replaced(motion, forward_occlusion=everywhere)).gradient(latents)
    assert not without_b[4].any() and without_b[0].any()
    assert not without_f[0].any() and without_f[4].any()


def test_published_loss_is_a_mean_over_the_canvas_not_over_the_visible_part():
    latents, motion = random_case(0, 5, 6, 8)
    padded = Motion(
        *(torch.nn.functional.pad(x, (0, 8)) for x in (motion.forward, motion.backward)),
        *(torch.nn.functional.pad(x, (0, 8), value=1.0) for x in (motion.forward_occlusion, motion.backward_occlusion)),
    )
    wide = torch.nn.functional.pad(latents, (0, 8))
    assert torch.allclose(PublishedGuidance(padded).loss(wide), PublishedGuidance(motion).loss(latents) / 2)
    assert torch.allclose(CorrectedGuidance(padded).loss(wide), CorrectedGuidance(motion).loss(latents), rtol=1e-5)


def moving_scene(frames=7, height=8, width=20, speed=1):
    wide = torch.randn(1, 2, height, width + frames * speed, generator=torch.Generator().manual_seed(3))
    latents = torch.cat([wide[..., i * speed : i * speed + width] for i in range(frames)])
    # The window moves to the right, so what it shows moves to the left.
    forward = torch.zeros(frames - 1, 2, height, width)
    forward[:, 0] = -speed
    return latents, Motion.from_flow(forward, -forward)


def test_a_scene_that_moves_as_its_flow_says_is_at_rest_in_the_corrected_form_alone():
    latents, motion = moving_scene()
    loss, gradient = CorrectedGuidance(motion, softness=1e-2).loss_and_gradient(latents)
    assert loss < 1e-5 and gradient.abs().max() < 1e-2
    assert PublishedGuidance(motion.pairs(0, 4)).loss(latents[:5]) > 0.1


def test_corrected_guidance_makes_a_disturbed_scene_agree():
    clean, motion = moving_scene()
    latents = clean + 0.3 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(4))
    guidance = CorrectedGuidance(motion, softness=0.2)
    first = guidance.loss(latents)
    for _ in range(60):
        latents = latents - 0.03 * guidance.loss_and_gradient(latents)[1]
    assert guidance.loss(latents) < 0.1 * first


def test_corrected_strength_does_not_depend_on_canvas_or_length():
    latents, motion = random_case(1, 4, 6, 6)

    def twice(x):
        return torch.cat((x, x), dim=-2)

    tall = Motion(*(twice(x) for x in (0 * motion.forward, 0 * motion.backward, motion.forward_occlusion)),
                  twice(motion.backward_occlusion))  # fmt: skip
    short = replaced(motion, forward=0 * motion.forward, backward=0 * motion.backward)
    expected = CorrectedGuidance(short).loss_and_gradient(latents)[1]
    assert torch.allclose(CorrectedGuidance(tall).loss_and_gradient(twice(latents))[1], twice(expected), atol=1e-6)
    part = CorrectedGuidance(short.pairs(0, 2)).loss_and_gradient(latents[:3])[1]
    assert torch.allclose(part[:2], expected[:2], atol=1e-6)


def test_corrected_guidance_uses_every_flow():
    latents, motion = random_case(2, 6)
    before = CorrectedGuidance(motion).loss(latents)
    for name in ("forward", "backward"):
        for pair in range(len(motion)):
            flows = getattr(motion, name).clone()
            flows[pair] += 1
            assert not torch.equal(CorrectedGuidance(replaced(motion, **{name: flows})).loss(latents), before)


def test_where_nothing_is_visible_nothing_is_done():
    latents, motion = random_case(3, 4)
    hidden = torch.ones_like(motion.forward_occlusion)
    guidance = CorrectedGuidance(replaced(motion, forward_occlusion=hidden, backward_occlusion=hidden))
    loss, gradient = guidance.loss_and_gradient(latents)
    assert loss == 0 and not gradient.any()


def test_the_corners_are_the_matrix_of_the_warp():
    x, flow = torch.randn(2, 3, 4, 5), 2 * torch.randn(2, 2, 4, 5)
    index, weight = bilinear_corners(flow)
    gathered = x.flatten(2)[torch.arange(2)[:, None, None], :, index].permute(0, 3, 1, 2)
    assert torch.allclose((gathered * weight[:, None]).sum(2).view(x.shape), warp(x, flow), atol=1e-6)


def test_flows_of_no_use_are_outside_and_not_an_error():
    index, weight = bilinear_corners(torch.tensor([float("nan"), float("inf"), 1e30, -1e30]).view(1, 2, 1, 2))
    assert not index.any() and not weight.any()


def test_motion_of_other_sizes_is_refused():
    flow = torch.zeros(3, 2, 4, 4)
    with pytest.raises(ValueError, match="do not fit"):
        Motion(flow, flow[:2], flow[:, :1], flow[:, :1])
