from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from training import archive, optics
from training.degradations import Degradation, degrade


def picture(height: int, width: int, count: int = 1, seed: int = 0) -> torch.Tensor:
    noise = torch.rand(count, 3, 6, 6, generator=torch.Generator().manual_seed(seed))
    return functional.interpolate(noise, (height, width), mode="bicubic").clamp(0, 1)


@settings(max_examples=20, deadline=None)
@given(
    kind=st.sampled_from(Degradation),
    seed=st.integers(0, 10**6),
    rows=st.integers(2, 8),
    columns=st.integers(2, 8),
    count=st.integers(1, 3),
)
def test_any_clip_gives_8_bit_pictures_of_a_quarter_and_the_seed_decides(
    kind: Degradation, seed: int, rows: int, columns: int, count: int
) -> None:
    clip = picture(8 * rows, 8 * columns, count)
    first, second = (degrade(clip, kind, torch.Generator().manual_seed(seed)) for _ in range(2))
    assert first.shape == (count, 3, 2 * rows, 2 * columns)
    assert torch.equal(first, second)
    assert first.min() >= 0
    assert first.max() <= 1
    assert torch.allclose(first * 255, (first * 255).round(), atol=1e-4)


@pytest.mark.parametrize("kind", [Degradation.real_world, Degradation.archive])
def test_damage_is_damage_but_the_picture_stays(kind: Degradation) -> None:
    clip = picture(128, 128).expand(5, -1, -1, -1)
    clean = degrade(clip, Degradation.clean, torch.Generator())
    for seed in range(6):
        damaged = degrade(clip, kind, torch.Generator().manual_seed(seed))
        difference = (damaged - clean).abs().mean()
        assert 0.001 < difference < 0.15
        assert torch.corrcoef(torch.stack((damaged.flatten(), clean.flatten())))[0, 1] > 0.7


def test_other_seeds_give_other_damage() -> None:
    clip = picture(64, 64)
    one, two = (degrade(clip, Degradation.archive, torch.Generator().manual_seed(s)) for s in (1, 2))
    assert not torch.equal(one, two)


def test_sides_that_do_not_divide_are_refused() -> None:
    with pytest.raises(ValueError, match="cannot be shrunk"):
        degrade(torch.zeros(1, 3, 64, 62), Degradation.clean, torch.Generator())


@pytest.mark.parametrize("quality", [30, 75, 95])
def test_jpeg_does_what_libjpeg_does(quality: int) -> None:
    clip = (picture(48, 80) * 255).round() / 255
    pixels = (clip[0].permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
    coded = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    expected = torch.from_numpy(cv2.imdecode(coded, cv2.IMREAD_COLOR)[..., ::-1].copy()).permute(2, 0, 1) / 255
    ours = optics.jpeg(clip, quality)[0]
    assert (ours - expected).abs().mean() < 0.25 * (clip[0] - expected).abs().mean() + 0.002


def test_colour_conversion_and_its_inverse() -> None:
    clip = torch.rand(2, 3, 4, 4)
    torch.testing.assert_close(optics.ycbcr_to_rgb(optics.rgb_to_ycbcr(clip)), clip, atol=1e-5, rtol=0)
    grey = torch.full((1, 3, 1, 1), 0.4)
    torch.testing.assert_close(optics.rgb_to_ycbcr(grey).flatten(), torch.tensor([0.4, 0, 0]), atol=1e-6, rtol=0)


@given(x=st.floats(0.2, 4), y=st.floats(0.2, 4), angle=st.floats(0, 3.2))
def test_blur_keeps_the_mean(x: float, y: float, angle: float) -> None:
    kernel = optics.gaussian_kernel(x, y, angle)
    assert float(kernel.sum()) == pytest.approx(1, abs=1e-5)
    assert torch.allclose(kernel, kernel.flip((0, 1)), atol=1e-7)


def test_flicker_is_even_in_the_mean_and_interlacing_touches_every_other_line() -> None:
    clip = picture(32, 32).expand(4, -1, -1, -1)
    flickering = archive.flicker(clip, torch.Generator().manual_seed(0))
    torch.testing.assert_close(flickering.mean(0), clip.mean(0), atol=1e-4, rtol=0)
    assert not torch.allclose(flickering, clip, atol=1e-3)
    moving = torch.rand(3, 3, 16, 16)
    untouched = [
        torch.equal(archive.interlace(moving, torch.Generator().manual_seed(seed))[:, :, ::2], moving[:, :, ::2])
        for seed in range(10)
    ]
    assert any(untouched)
    assert not all(untouched)
    still = archive.interlace(clip, torch.Generator().manual_seed(untouched.index(True)))
    torch.testing.assert_close(still, clip, atol=1e-6, rtol=0)
