from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from training.data.motion import Motion, draw_motion, draw_shape, render


def photograph(height: int, width: int) -> torch.Tensor:
    noise = torch.rand(1, 3, height // 6, width // 6, generator=torch.Generator().manual_seed(0))
    return functional.interpolate(noise, (height, width), mode="bicubic").clamp(0, 1)[0]


@given(x=st.integers(-4, 4), y=st.integers(-4, 4))
@settings(max_examples=10, deadline=None)
def test_a_pan_of_whole_pixels_moves_the_picture_by_just_that(x: int, y: int) -> None:
    photo = photograph(90, 100)
    clip, used = render(photo, Motion(x=x, y=y), 32, 3, torch.Generator().manual_seed(1))
    assert used == Motion(x=x, y=y)
    # The view moves by (x, y), so what it shows moves by (-x, -y).
    rows, columns = slice(max(y, 0), 32 + min(y, 0)), slice(max(x, 0), 32 + min(x, 0))
    rows_next, columns_next = slice(max(-y, 0), 32 + min(-y, 0)), slice(max(-x, 0), 32 + min(-x, 0))
    now, following = clip[0][:, rows, columns], clip[1][:, rows_next, columns_next]
    torch.testing.assert_close(following, now, atol=2e-3, rtol=0)


def test_a_motion_too_fast_for_the_photograph_is_slowed_down() -> None:
    clip, used = render(photograph(60, 60), Motion(x=20, turn=0.1), 40, 5, torch.Generator().manual_seed(0))
    assert clip.shape == (5, 3, 40, 40)
    assert abs(used.x) < 20
    with pytest.raises(ValueError, match="too small"):
        render(photograph(48, 60), Motion(), 40, 5, torch.Generator())


@given(seed=st.integers(0, 10**6))
@settings(max_examples=15, deadline=None)
def test_drawn_clips_are_pictures_and_the_seed_decides(seed: int) -> None:
    photo = photograph(96, 120)

    def draw() -> torch.Tensor:
        generator = torch.Generator().manual_seed(seed)
        return render(photo, draw_motion(generator), 32, 3, generator, shutter=0.5)[0]

    clip = draw()
    assert torch.equal(clip, draw())
    assert clip.min() >= 0
    assert clip.max() <= 1


def test_shapes_cover_part_of_the_view() -> None:
    for seed in range(5):
        shape = draw_shape(64, torch.Generator().manual_seed(seed))
        assert shape.shape == (1, 64, 64)
        assert 0.1 < shape.mean() < 0.6
