from __future__ import annotations

from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from models.canvas import (
    Canvas,
    canvas_for_output,
    fit_canvas,
    flow_frames,
    from_uint8,
    pad_by_reflection,
    reference_canvas,
    truncate_to_uint8,
    upscale,
)


@pytest.mark.parametrize(
    ("source", "upscaled", "padded", "output"),
    [
        ((128, 160), (512, 640), (512, 640), (512, 640)),
        ((120, 160), (512, 682), (544, 704), (480, 640)),
        ((144, 176), (576, 704), (576, 704), (576, 704)),
        ((180, 320), (720, 1280), (736, 1312), (720, 1280)),
        ((64, 64), (512, 512), (512, 512), (256, 256)),
    ],
)
def test_reference_scale_is_at_least_4_and_the_short_side_at_least_512(source, upscaled, padded, output):
    assert reference_canvas(source) == Canvas(source, upscaled, padded, output)


def test_reference_padding_gives_a_side_that_needs_none_a_full_32():
    canvas = reference_canvas((180, 320))
    assert canvas.upscaled[1] % 32 == 0 and canvas.padded[1] == canvas.upscaled[1] + 32
    assert fit_canvas((180, 320), 4, 32).padded == (736, 1280)


def test_reference_reduces_after_padding_so_it_stays_visible_ours_crops_first():
    canvas = reference_canvas((120, 160))
    frame = torch.zeros(1, 3, *canvas.padded)
    frame[..., canvas.upscaled[0] :, :] = 1.0
    frame[..., :, canvas.upscaled[1] :] = 1.0
    assert canvas.leave(frame).shape[-2:] == (480, 640) and not canvas.leave(frame).any()


@settings(max_examples=60, deadline=None)
@given(
    source=st.tuples(st.integers(1, 30), st.integers(1, 30)),
    scale=st.sampled_from([1, 1.5, 2, Fraction(9, 4), 4]),
    multiple=st.sampled_from([1, 8, 32]),
)
def test_our_canvas_is_the_smallest_that_fits_and_gives_the_frames_back(source, scale, multiple):
    canvas = fit_canvas(source, scale, multiple)
    for side, padded in zip(canvas.upscaled, canvas.padded, strict=True):
        assert padded % multiple == 0 and 0 <= padded - side < multiple
    frames = torch.rand(2, 3, *source) * 2 - 1
    entered = canvas.enter(frames)
    assert entered.shape == (2, 3, *canvas.padded)
    assert torch.equal(canvas.leave(entered), upscale(frames, canvas.upscaled))


def test_output_of_any_size_whatever_the_scale_of_a_side():
    assert canvas_for_output((576, 720), (1080, 1440), 64).padded == (1088, 1472)


@pytest.mark.parametrize("size", [(9, 13), (5, 9), (6, 8)])
def test_padding_is_reflection_where_that_is_defined(size):
    frames = torch.randn(2, 3, 5, 8)
    padding = (0, size[1] - 8, 0, size[0] - 5)
    assert torch.equal(pad_by_reflection(frames, size), functional.pad(frames, padding, mode="reflect"))


def test_padding_larger_than_the_frame_goes_to_and_fro():
    assert pad_by_reflection(torch.tensor([[0, 1, 2]]), (1, 10)).tolist() == [[0, 1, 2, 1, 0, 1, 2, 1, 0, 1]]
    assert pad_by_reflection(torch.tensor([[7]]), (2, 3)).tolist() == [[7, 7, 7], [7, 7, 7]]


def test_latent_size():
    assert fit_canvas((10, 20), 4, 8).latent(8) == (5, 10)
    with pytest.raises(ValueError, match="no latents"):
        fit_canvas((10, 21), 4, 4).latent(8)


@pytest.mark.parametrize(("source", "scale"), [((0, 5), 4), ((5, 5), 0), ((5, 5), -1)])
def test_impossible_canvas_is_refused(source, scale):
    with pytest.raises(ValueError, match="no canvas"):
        fit_canvas(source, scale)


def test_uint8_is_truncated_not_rounded():
    levels = torch.arange(256, dtype=torch.uint8)
    frames = from_uint8(levels)
    assert float(frames[0]) == -1 and float(frames[255]) == 1
    assert torch.equal(truncate_to_uint8(frames + 1.5 / 255)[:255], levels[:255])
    assert truncate_to_uint8(torch.tensor([-3.0, 3.0])).tolist() == [0, 255]


def test_upscaling_is_clamped_and_flow_sees_a_quarter_in_0_to_1():
    step = torch.ones(1, 3, 8, 8)
    step[..., :4] = -1
    assert upscale(step, (32, 32)).abs().max() <= 1
    frames = flow_frames(upscale(step, (32, 32)))
    assert frames.shape == (1, 3, 8, 8) and float(frames[..., 0].max()) < 0.1 and float(frames[..., 7].min()) > 0.9
