"""A neighbour in the brightness of the frame that it stands beside."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.fades import brought_to

PICTURE = torch.rand(1, 3, 40, 48, generator=torch.Generator().manual_seed(1)) - 0.5
SEEN = torch.ones(1, 1, 40, 48)


@given(gain=st.floats(0.5, 2.0), offset=st.floats(-0.5, 0.5))
def test_a_fade_is_undone(gain: float, offset: float) -> None:
    assert torch.allclose(brought_to(PICTURE, PICTURE / gain + offset, SEEN), PICTURE, atol=1e-4)


def test_each_channel_has_its_own() -> None:
    tinted = PICTURE * torch.tensor([0.6, 0.8, 1.0]).reshape(1, 3, 1, 1) + 0.1
    assert torch.allclose(brought_to(PICTURE, tinted, SEEN), PICTURE, atol=1e-4)


def test_a_picture_beside_black_becomes_black() -> None:
    black = torch.full_like(PICTURE, -1.0)
    assert torch.allclose(brought_to(black, PICTURE, SEEN), black, atol=1e-4)


def test_the_noise_of_black_does_not_become_a_picture() -> None:
    noise = -1 + PICTURE / 255
    brought = brought_to(PICTURE, noise, SEEN)
    assert float(brought[:, 0].std()) == pytest.approx(2 * float(noise[:, 0].std()), rel=0.01)


def test_what_is_not_to_be_believed_does_not_count() -> None:
    moved, seen = PICTURE.clone(), SEEN.clone()
    moved[..., :20, :], seen[..., :20, :] = 3.0, 0.0
    assert torch.allclose(brought_to(PICTURE, moved, seen)[..., 20:, :], PICTURE[..., 20:, :], atol=1e-4)


@pytest.mark.parametrize("size", [(1, 1), (3, 2)])
def test_another_picture_is_left_as_it_is_and_so_is_one_too_small_to_tell(size: tuple[int, int]) -> None:
    moved = PICTURE * 0.5
    assert brought_to(PICTURE, moved, 0.05 * SEEN) is moved
    small = PICTURE[..., : size[0], : size[1]]
    assert torch.isfinite(brought_to(small, small * 0.5, torch.ones(1, 1, *size))).all()
