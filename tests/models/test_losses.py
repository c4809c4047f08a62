from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from models.losses import (
    DecoderLossWeights,
    consistency_loss,
    corrected_consistency_loss,
    decoder_temporal_losses,
    edge_weights,
    frame_difference_loss,
    frame_difference_map,
    sobel,
)
from models.motion import Motion

GOLDEN = load_file(Path(__file__).parents[1] / "golden" / "decoder_losses.safetensors")
HR, GT = GOLDEN["in.hr"], GOLDEN["in.gt"]
MOTION = Motion.from_flow(GOLDEN["in.flow_former_to_latter"][0], GOLDEN["in.flow_latter_to_former"][0])


def value_and_gradient(loss):
    leaf = HR.clone().requires_grad_()
    value = loss(leaf)
    return float(value.detach()), torch.autograd.grad(value, leaf)[0]


def test_frame_differences_equal_the_published_ones():
    assert torch.equal(frame_difference_map(HR, GT), GOLDEN["out.l1_diff_map"])
    value, gradient = value_and_gradient(lambda x: frame_difference_loss(x, GT))
    assert value == pytest.approx(float(GOLDEN["out.l1_diff_mean"]), abs=1e-6)
    assert (gradient - GOLDEN["out.l1_diff_mean_grad_hr"]).abs().max() < 1e-8


def test_consistency_equals_the_published_one():
    assert (sobel(GT) - GOLDEN["out.sobel_gt"]).abs().max() < 1e-6
    value, gradient = value_and_gradient(lambda x: consistency_loss(x, edge_weights(GT), MOTION))
    assert value == pytest.approx(float(GOLDEN["out.swc"]), abs=1e-5)
    assert (gradient - GOLDEN["out.swc_grad_hr"]).abs().max() < 1e-8


def test_published_order_warps_the_ground_truth():
    asked = []

    def motion_of(frames):
        asked.append(frames)
        return MOTION

    # The decoder's frames are the functions' second argument there, so these are "hr" swapped with "gt".
    difference, consistency = decoder_temporal_losses(HR, GT, motion_of, order="published")
    assert asked[0] is HR
    assert float(consistency) == pytest.approx(float(GOLDEN["out.swc_swapped"]), abs=1e-5)
    assert float(difference) == pytest.approx(float(GOLDEN["out.l1_diff_mean"]) / 4, abs=1e-6)


def test_published_order_gives_the_decoder_a_gradient_through_the_flow_alone():
    leaf = HR.clone().requires_grad_()
    _, consistency = decoder_temporal_losses(leaf, GT, lambda frames: MOTION, order="published")
    assert not consistency.requires_grad

    def motion_of(frames):
        forward = MOTION.forward + 0.1 * frames[:4, :2]
        return Motion(forward, MOTION.backward, MOTION.forward_occlusion, MOTION.backward_occlusion)

    _, consistency = decoder_temporal_losses(leaf, GT, motion_of, order="published")
    assert torch.autograd.grad(consistency, leaf)[0].any()


def test_corrected_order_warps_the_reconstruction_along_the_flow_of_the_truth():
    leaf = HR.clone().requires_grad_()
    asked = []
    _, consistency = decoder_temporal_losses(leaf, GT, lambda frames: asked.append(frames) or MOTION)
    assert asked[0] is GT
    assert torch.autograd.grad(consistency, leaf)[0].any()


def test_corrected_consistency_is_zero_for_what_moves_as_the_flow_says():
    still = torch.zeros(2, 2, 6, 6)
    motion = Motion(still, still, still[:, :1], still[:, :1])
    frames = torch.rand(1, 3, 6, 6).expand(3, 3, 6, 6)
    assert corrected_consistency_loss(frames, edge_weights(frames), motion) < 1e-5
    assert consistency_loss(frames, edge_weights(frames), motion) > 0.1


def test_edges_are_constants_and_count_three_times():
    frames = torch.rand(2, 3, 6, 6, requires_grad=True)
    weights = edge_weights(frames)
    assert not weights.requires_grad and torch.allclose(weights, 1 + 3 * sobel(frames))


def test_sobel_of_a_ramp_is_its_slope_and_never_quite_zero():
    ramp = torch.arange(6.0).expand(1, 1, 6, 6)
    assert torch.allclose(sobel(ramp)[..., 1:-1], torch.tensor(1.0), atol=1e-4)
    assert torch.allclose(sobel(torch.zeros(1, 1, 4, 4)), torch.tensor(1e-3))


def test_published_weights():
    w = DecoderLossWeights()
    found = (w.pixel, w.perceptual, w.frame_difference, w.consistency, w.adversarial, w.adversarial_start, w.kl)
    assert found == (1.0, 0.5, 0.5, 0.5, 0.025, 501, 0.0)
