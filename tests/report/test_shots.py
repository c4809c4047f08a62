from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from report.shots import SHORTEST, Shot, evenly, shots_of, stretches

chunk_lengths = st.lists(st.lists(st.integers(3, 40), min_size=1, max_size=4), min_size=1, max_size=12)


def test_chunks_of_one_shot_become_a_shot_with_seams() -> None:
    chunks = [(0, 0, 0, 20, 0, 4), (1, 0, 16, 36, 4, 4), (2, 0, 32, 48, 4, 0), (3, 1, 48, 60, 0, 0)]
    assert shots_of(chunks) == [Shot(0, 0, 48, ((16, 20), (32, 36))), Shot(1, 48, 60)]


def test_chunks_that_do_not_overlap_have_a_seam_between_them() -> None:
    assert shots_of([(1, 0, 10, 20, 0, 0), (0, 0, 0, 10, 0, 0)]) == [Shot(0, 0, 20, ((10, 10),))]


@given(chunk_lengths, st.integers(0, 400))
def test_stretches_lie_in_their_shots_and_are_few(lengths: list[list[int]], budget: int) -> None:
    chunks, start = [], 0
    for shot, each in enumerate(lengths):
        for length in each:
            chunks.append((len(chunks), shot, start, start + length, 0, 0))
            start += length
    shots = shots_of(chunks)
    found = stretches(shots, budget)
    homes = [next(s for s in shots if s.start <= frames.start < frames.stop <= s.stop) for frames in found]
    assert len({shot.number for shot in homes}) == len(found)
    measured = sum(len(frames) for frames in found)
    assert measured <= max(budget, SHORTEST) and (measured > 0) == (budget > 0)
    if start <= budget:
        assert measured == start


def test_a_stretch_lies_about_a_seam() -> None:
    shots = [Shot(0, 0, 1000, ((700, 704),)), Shot(1, 1000, 2000)]
    first, second = stretches(shots, 100)
    assert 700 in first and 704 in first
    assert second == range(1475, 1525)


@given(st.integers(0, 50), st.integers(0, 60))
def test_evenly_takes_each_once(length: int, count: int) -> None:
    found = evenly(range(length), count)
    assert len(found) == min(length, count) and found == sorted(set(found))
