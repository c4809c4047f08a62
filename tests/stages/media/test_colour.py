from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.contract import ItemError
from stages.media.chroma import enlarge, reduce, siting_offset
from stages.media.colour import (
    ColourTags,
    Matrix,
    Range,
    codes,
    decide_matrix,
    decide_range,
    gray_from_rgb,
    matrix_reason,
    rgb_from_gray,
    rgb_from_yuv,
    yuv_from_rgb,
)

YUV = [matrix for matrix in Matrix if matrix is not Matrix.RGB]


def tags(matrix: Matrix, code_range: Range = Range.LIMITED) -> ColourTags:
    return ColourTags(matrix=matrix, range=code_range)


def one(red: float, green: float, blue: float) -> np.ndarray:
    return np.array([[[red, green, blue]]], np.float32)


def test_bars_of_the_standards() -> None:
    """Code values of 100 % colour bars, 10 bits, from ITU-R BT.601 and BT.709."""
    expected = {
        (Matrix.SMPTE170M, 1, 1, 1): (940, 512, 512),
        (Matrix.SMPTE170M, 0, 0, 0): (64, 512, 512),
        (Matrix.SMPTE170M, 1, 0, 0): (326, 361, 960),
        (Matrix.SMPTE170M, 0, 0, 1): (164, 960, 439),
        (Matrix.BT709, 1, 0, 0): (250, 409, 960),
        (Matrix.BT709, 0, 1, 0): (691, 167, 105),
        (Matrix.BT709, 0, 0, 1): (127, 960, 471),
    }
    for (matrix, *rgb), wanted in expected.items():
        found = [int(codes(plane, 10)[0, 0]) for plane in yuv_from_rgb(one(*rgb), 10, tags(matrix))]
        assert tuple(found) == wanted, (matrix, rgb)


@pytest.mark.parametrize("bits", [8, 10, 16])
@pytest.mark.parametrize("code_range", [Range.LIMITED, Range.FULL])
def test_white_is_one_and_black_is_nought(bits: int, code_range: Range) -> None:
    step = 2 ** (bits - 8)
    low, high = (16 * step, 235 * step) if code_range is Range.LIMITED else (0, 2**bits - 1)
    middle = np.full((1, 1), 128 * step)
    for matrix in YUV:
        for value, wanted in ((low, 0.0), (high, 1.0)):
            rgb = rgb_from_yuv(np.full((1, 1), value), middle, middle, bits, tags(matrix, code_range))
            assert np.allclose(rgb, wanted, atol=1e-6)
    assert np.allclose(rgb_from_gray(np.full((1, 1), high), bits, tags(Matrix.BT709, code_range)), 1)


@given(st.lists(st.floats(0, 1, width=32), min_size=3, max_size=3), st.sampled_from(YUV), st.sampled_from([1, 2]))
def test_there_and_back_within_half_a_code(rgb: list[float], matrix: Matrix, code_range: int) -> None:
    colour = tags(matrix, Range(code_range))
    pixel = one(*rgb)
    planes = [codes(plane, 16) for plane in yuv_from_rgb(pixel, 16, colour)]
    assert np.abs(rgb_from_yuv(*planes, 16, colour) - pixel).max() < 3e-5


def test_codes_round_and_stay_in_range() -> None:
    assert codes(np.array([1.4, 1.6, -3, 2000], np.float32), 10).tolist() == [1, 2, 0, 1023]


def test_grey_is_luma() -> None:
    grey = gray_from_rgb(np.full((2, 2, 3), 0.5, np.float32), 10, tags(Matrix.BT709, Range.FULL))
    assert np.allclose(grey, 511.5)


def test_untagged_pictures() -> None:
    assert decide_matrix(2, "yuv", 720, 480) is Matrix.SMPTE170M
    assert decide_matrix(2, "yuv", 720, 576) is Matrix.BT470BG
    assert decide_matrix(2, "yuv", 720, 608) is Matrix.BT470BG  # D-10 and IMX: 576 rows below 32 of VBI
    assert decide_matrix(2, "yuv", 720, 512) is Matrix.SMPTE170M
    assert decide_matrix(2, "yuv", 960, 608) is Matrix.BT709
    assert decide_matrix(2, "yuv", 1280, 720) is Matrix.BT709
    assert decide_matrix(2, "yuv", 960, 720) is Matrix.BT709
    assert decide_matrix(1, "yuv", 720, 576) is Matrix.BT709
    assert decide_matrix(5, "rgb", 720, 576) is Matrix.RGB
    with pytest.raises(ItemError, match="matrix 8"):
        decide_matrix(8, "yuv", 720, 576)
    assert [decide_range(tag, "yuv") for tag in (0, 1, 2)] == [Range.LIMITED, Range.LIMITED, Range.FULL]
    assert matrix_reason(2, Matrix.BT470BG, 608) == "untagged; 608 rows, standard definition, so BT470BG"
    assert decide_range(0, "gray") is Range.FULL and decide_range(1, "rgb") is Range.FULL


@given(st.integers(1, 40), st.sampled_from([2, 4]), st.booleans(), st.sampled_from([0, 1]))
def test_flat_chroma_stays_flat_and_sizes_fit(length: int, factor: int, centred: bool, axis: int) -> None:
    offset = siting_offset(factor, centred)
    shape = (length, 3) if axis == 0 else (3, length)
    small = reduce(np.full(shape, 77.0, np.float32), factor, offset, axis)
    assert small.shape[axis] == -(-length // factor)
    large = enlarge(small, factor, offset, axis, length)
    assert large.shape == shape and np.allclose(large, 77.0, atol=1e-4)


@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("factor", [2, 4])
def test_chroma_does_not_move(factor: int, centred: bool) -> None:
    """A ramp stays the same ramp: any error of siting would show as a constant offset."""
    ramp = np.tile(np.arange(64, dtype=np.float32), (2, 1))
    offset = siting_offset(factor, centred)
    small = reduce(ramp, factor, offset, 1)
    inner = slice(3, -3)
    assert np.allclose(small[0, inner], (np.arange(small.shape[1]) * factor + offset)[inner], atol=1e-3)
    large = enlarge(small, factor, offset, 1, 64)
    assert np.allclose(large[0, 16:-16], ramp[0, 16:-16], atol=1e-3)
