"""Terms of the loss that no published formula fixes."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from training.terms import distribution_distance, pyramid_l1

SIDE = 64


def distance(restored: Tensor, target: Tensor, seed: int = 0) -> float:
    return float(distribution_distance(restored, target, torch.Generator().manual_seed(seed)))


def texture(seed: int) -> Tensor:
    """Blurred noise: two frames of the same kind of texture for every seed, and of other values."""
    noise = torch.randn((2, 3, SIDE + 2, SIDE + 2), generator=torch.Generator().manual_seed(seed))
    return 0.2 * functional.avg_pool2d(noise, 3, stride=1)


def stripes() -> Tensor:
    """Columns with the deviation of ``texture``."""
    columns = torch.randn((2, 1, 1, SIDE), generator=torch.Generator().manual_seed(0)).expand(2, 3, SIDE, SIDE)
    return columns * texture(0).std() / columns.std()


def test_equal_frames_have_no_distance():
    assert distance(texture(0), texture(0)) == 0


def test_other_texture_of_the_same_kind_is_near_smoothness_and_stripes_are_far():
    alike = distance(texture(1), texture(0))
    assert alike < 0.25
    assert distance(torch.zeros(2, 3, SIDE, SIDE), texture(0)) == pytest.approx(1, abs=0.1)
    assert distance(stripes(), texture(0)) > 3 * alike


def test_texture_must_be_where_the_target_has_it():
    left = texture(0)
    left[..., SIDE // 2 :] = 0
    assert distance(left.flip(-1), left) > 2 * distance(
        torch.cat((texture(1)[..., : SIDE // 2], left[..., SIDE // 2 :]), -1), left
    )


def test_pixel_for_pixel_the_same_texture_elsewhere_is_as_far_as_none():
    elsewhere, none = pyramid_l1(texture(1), texture(0)), pyramid_l1(torch.zeros_like(texture(0)), texture(0))
    assert float(elsewhere) > float(none)


def test_a_smooth_picture_is_driven_towards_texture():
    restored = (0.02 * texture(1)).requires_grad_()
    optimiser = torch.optim.Adam([restored], lr=0.02)
    before = distance(restored.detach(), texture(0))
    for step in range(40):
        optimiser.zero_grad()
        distribution_distance(restored, texture(0), torch.Generator().manual_seed(step)).backward()
        optimiser.step()
    assert distance(restored.detach(), texture(0)) < before / 3


def test_draws_come_from_the_generator():
    assert distance(texture(1), texture(0), 5) == distance(texture(1), texture(0), 5)
    assert distance(texture(1), texture(0), 5) != distance(texture(1), texture(0), 6)
