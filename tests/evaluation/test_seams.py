from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.seams import Windows, border_pairs, find_borders, plan_chunks, seam_ratio
from evaluation.warping_error import PairErrors


def errors(values: list[float]) -> PairErrors:
    pairs = PairErrors()
    for value in values:
        pairs.add(value)
    return pairs


def test_borders_without_overlap_are_single_pairs() -> None:
    assert border_pairs([(0, 5), (5, 10), (10, 12)]) == {4, 9}


def test_overlapped_frames_are_borders_on_both_sides() -> None:
    assert border_pairs([(0, 10), (8, 18)]) == {7, 8, 9}


def test_the_last_window_is_moved_back() -> None:
    assert Windows(5).spans((10, 22)) == [(10, 15), (15, 20), (17, 22)]
    assert Windows(5).spans((0, 3)) == [(0, 3)]


def test_the_last_window_of_a_chunk_that_is_filled_up_begins_where_it_would_in_a_longer_one() -> None:
    assert Windows(5, filled=True).spans((10, 22)) == [(10, 15), (15, 20), (20, 22)]
    assert Windows(5, 2, filled=True).spans((0, 7)) == [(0, 5), (3, 7), (5, 7)]
    assert Windows(5, filled=True).spans((0, 3)) == [(0, 3)]


def test_chunks_are_those_that_split_cuts() -> None:
    assert plan_chunks(48, 30, 4) == [(0, 30), (26, 48)]
    assert plan_chunks(30, 30, 4) == [(0, 30)]
    assert plan_chunks(3, 30, 4) == [(0, 3)]
    assert plan_chunks(25, 10, 2) == [(0, 10), (8, 18), (16, 25)]
    with pytest.raises(ValueError, match="overlap"):
        plan_chunks(48, 8, 4)


@given(st.integers(1, 120), st.integers(1, 12), st.integers(0, 5))
def test_every_pair_is_in_one_group(frames: int, length: int, overlap: int) -> None:
    kinds = [Windows(length, min(overlap, length - 1))]
    borders = find_borders(frames, plan_chunks(frames, 24, 4), kinds)
    assert (borders.chunk.astype(int) + borders.window + borders.inside == 1).all()
    assert len(borders.chunk) == frames - 1


def test_the_ratio_is_relative_to_the_reference() -> None:
    border = np.array([False, True, False, False])
    inside = ~border
    reference = errors([1e-3, 2e-3, 1e-3, math.nan])
    assert seam_ratio(reference, reference, border, inside) == 1
    assert seam_ratio(errors([1e-3, 6e-3, 1e-3, math.nan]), reference, border, inside) == pytest.approx(3, rel=1e-3)
    assert seam_ratio(errors([0.0] * 4), errors([0.0] * 4), border, inside) == 1
    assert seam_ratio(reference, reference, ~inside & inside, inside) is None
