from __future__ import annotations

import pytest
import torch

from models.warping import occlusion_masks, resize_flow, warp


def constant_flow(x, y, height, width):
    return torch.tensor([x, y], dtype=torch.float32).view(1, 2, 1, 1).expand(1, 2, height, width).contiguous()


def test_a_still_flow_changes_nothing():
    x = torch.randn(1, 3, 5, 7)
    assert torch.allclose(warp(x, torch.zeros(1, 2, 5, 7)), x, atol=1e-5)


def test_the_warp_reads_at_column_plus_x_and_row_plus_y_with_zeros_outside():
    x = torch.arange(12.0).view(1, 1, 3, 4) + 1
    moved = warp(x, constant_flow(1, 2, 3, 4))
    assert torch.allclose(moved[0, 0, 0], torch.tensor([10.0, 11, 12, 0]), atol=1e-4)
    assert not moved[0, 0, 1:].any()


def test_the_warp_is_bilinear():
    x = torch.arange(5.0).view(1, 1, 1, 5).repeat(1, 1, 4, 1)
    assert torch.allclose(warp(x, constant_flow(0.25, 0, 4, 5))[0, 0, 0, :4], torch.arange(4) + 0.25, atol=1e-5)


@pytest.mark.parametrize(("height", "width"), [(1, 5), (5, 1), (1, 1)])
def test_a_side_of_one_pixel_can_be_left(height, width):
    x = torch.ones(1, 2, height, width)
    assert torch.allclose(warp(x, torch.zeros(1, 2, height, width)), x)
    out_of_it = constant_flow(1.0 * (width == 1), 1.0 * (height == 1), height, width)
    assert not warp(x, out_of_it).any()
    assert torch.allclose(warp(x, out_of_it / 2), x / (4 if height == width else 2))


def test_resizing_a_flow_scales_x_with_the_width_and_y_with_the_height():
    resized = resize_flow(constant_flow(2.0, 3.0, 4, 10), (8, 5))
    assert resized.shape == (1, 2, 8, 5)
    assert torch.allclose(resized[:, 0], torch.tensor(1.0)) and torch.allclose(resized[:, 1], torch.tensor(6.0))


def test_resizing_keeps_leading_dimensions():
    assert resize_flow(torch.zeros(1, 4, 2, 6, 6), (3, 9)).shape == (1, 4, 2, 3, 9)


def test_flows_that_undo_each_other_are_visible_but_where_they_leave_the_picture():
    forward, backward = constant_flow(2, 0, 6, 8), constant_flow(-2, 0, 6, 8)
    on_first, on_second = occlusion_masks(forward, backward)
    assert on_first.shape == (1, 1, 6, 8)
    assert not on_first[..., :6].any() and on_first[..., 6:].all()
    assert on_second[..., :2].all() and not on_second[..., 2:].any()


@pytest.mark.parametrize(("miss", "occluded"), [(0.49, False), (0.55, True)])
def test_the_threshold_is_half_a_pixel_and_a_hundredth_of_the_motion(miss, occluded):
    forward, backward = constant_flow(1, 0, 6, 8), constant_flow(-1 + miss, 0, 6, 8)
    assert bool(occlusion_masks(forward, backward)[0][0, 0, 3, 3]) is occluded
    assert not occlusion_masks(forward, backward, beta=0.6)[0][0, 0, 3, 3]
