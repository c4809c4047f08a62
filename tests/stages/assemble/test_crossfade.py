from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.assemble.crossfade import blend, crossfade_weight
from stages.assemble.ticks import to_ticks
from stages.media.planes import components


@given(st.integers(-(10**9), 10**9), st.sampled_from([Fraction(1, 90000), Fraction(1, 30000), Fraction(1001, 30000)]))
def test_ticks_are_nearest(pts: int, time_base: Fraction) -> None:
    error = Fraction(to_ticks(pts, time_base), 1000) - pts * time_base
    assert abs(error) <= Fraction(1, 2000)
    assert to_ticks(-pts, time_base) == -to_ticks(pts, time_base)


@given(st.integers(1, 50))
def test_crossfade_runs_from_one_to_the_other(overlap: int) -> None:
    weights = [crossfade_weight(k, overlap) for k in range(overlap)]
    assert weights[0] > 0 and weights[-1] < 1 and weights == sorted(weights)
    assert np.isclose(weights[0], 1 - weights[-1])


@pytest.mark.parametrize("pix_fmt", ["yuv420p10le", "gbrp10le", "gray10le", "yuv444p16le"])
def test_blend_rounds(pix_fmt: str) -> None:
    def filled(value: int) -> av.VideoFrame:
        frame = av.VideoFrame(7, 5, pix_fmt)
        for plane in components(frame):
            plane[...] = value
        return frame

    assert {int(v) for p in components(blend(filled(100), filled(103), 0.5)) for v in np.unique(p)} == {102}
    assert {int(v) for p in components(blend(filled(100), filled(103), 0.2)) for v in np.unique(p)} == {101}
    top = 2 ** av.VideoFormat(pix_fmt).components[0].bits - 1
    assert {int(v) for p in components(blend(filled(top), filled(top), 0.3)) for v in np.unique(p)} == {top}
    with pytest.raises(ValueError, match="differ"):
        blend(filled(1), av.VideoFrame(8, 5, pix_fmt), 0.5)
