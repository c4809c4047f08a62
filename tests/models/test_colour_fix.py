from __future__ import annotations

from pathlib import Path

import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch.nn import functional

from models.colour_fix import adain, low_frequencies, wavelet

GOLDEN = load_file(Path(__file__).parents[1] / "golden" / "color_fix.safetensors")


def test_both_corrections_equal_the_published_ones():
    content, style = GOLDEN["in.content"], GOLDEN["in.style"]
    assert (adain(content, style) - GOLDEN["out.adain"]).abs().max() < 1e-6
    assert (wavelet(content, style) - GOLDEN["out.wavelet"]).abs().max() < 1e-6


def test_adain_takes_the_unbiased_variance_and_does_not_clamp():
    content, style = torch.randn(2, 3, 4, 4), 5 * torch.randn(2, 3, 8, 8) + 2
    fixed = adain(content, style)
    assert torch.allclose(fixed.mean((-2, -1)), style.mean((-2, -1)), atol=1e-4)
    assert torch.allclose(fixed.var((-2, -1), correction=1), style.var((-2, -1), correction=1), rtol=1e-3)
    assert fixed.abs().max() > 1


def test_wavelet_of_a_constant_difference_takes_the_style_exactly():
    style = torch.rand(1, 3, 40, 40)
    assert torch.allclose(wavelet(style + 0.3, style), style, atol=1e-6)


def test_wavelet_keeps_the_detail_of_the_content():
    checkers = (torch.arange(40)[:, None] + torch.arange(40)) % 2 * 0.2 - 0.1
    content = checkers.expand(1, 3, 40, 40) + 0.5
    fixed = wavelet(content, torch.zeros_like(content))
    assert torch.allclose(fixed[..., 4:-4, 4:-4], checkers[4:-4, 4:-4].expand(1, 3, 32, 32), atol=2e-3)


@given(height=st.integers(1, 40), width=st.integers(1, 40), levels=st.integers(1, 6))
def test_low_frequencies_are_dilated_convolutions_at_any_size(height: int, width: int, levels: int):
    frames = torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(height * width))
    taps = torch.tensor([0.25, 0.5, 0.25])
    kernel = torch.outer(taps, taps).expand(3, 1, 3, 3)
    expected = frames
    for radius in (2**level for level in range(levels)):
        padded = functional.pad(expected, (radius,) * 4, mode="replicate")
        expected = functional.conv2d(padded, kernel, dilation=radius, groups=3)
    assert torch.allclose(low_frequencies(frames, levels), expected, atol=1e-6)
