from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from stages.split import SplitConfig, plan_video
from stages.split.plan import ChunkPlanner

SIZES = st.integers(0, 8).flatmap(lambda overlap: st.tuples(st.integers(2 * overlap + 1, 40), st.just(overlap)))
SHOTS = st.lists(st.integers(1, 120), min_size=1, max_size=6)


@given(SHOTS, SIZES)
def test_every_frame_is_owned_once_and_no_chunk_crosses_a_cut(shots: list[int], sizes: tuple[int, int]) -> None:
    chunk_frames, overlap = sizes
    chunks = plan_video("v", shots, chunk_frames, overlap)
    owned: list[int] = []
    for chunk, after in zip(chunks, [*chunks[1:], None], strict=True):
        owned += chunk.core
        assert len(chunk) <= chunk_frames
        if chunk.tail:
            assert after is not None and after.shot == chunk.shot
            assert (after.start, after.head) == (chunk.stop - chunk.tail, chunk.tail) and chunk.tail == overlap
            owned += range(chunk.stop - chunk.tail, chunk.stop)
        elif after is not None:
            assert after.start == chunk.stop and after.head == 0
    assert owned == list(range(sum(shots)))
    starts = [sum(shots[:i]) for i in range(len(shots))]
    for chunk in chunks:
        assert starts[chunk.shot] <= chunk.start < chunk.stop <= starts[chunk.shot] + shots[chunk.shot]
    assert [chunk.index for chunk in chunks] == list(range(len(chunks)))


@given(st.integers(1, 200), SIZES)
def test_chunks_are_known_after_one_more_frame(frames: int, sizes: tuple[int, int]) -> None:
    planner = ChunkPlanner("v", *sizes)
    for number in range(frames):
        chunk = planner.add(cut=False)
        assert number + 1 - planner.needed_from <= sizes[0]
        if chunk is not None:
            assert chunk.stop == number


def test_lengths_around_one_chunk() -> None:
    spans = {n: [(c.start, c.stop) for c in plan_video("v", [n], 8, 2)] for n in (1, 8, 9, 14, 15)}
    assert spans == {
        1: [(0, 1)],
        8: [(0, 8)],
        9: [(0, 8), (6, 9)],
        14: [(0, 8), (6, 14)],
        15: [(0, 8), (6, 14), (12, 15)],
    }


def test_no_frames_no_chunk() -> None:
    assert ChunkPlanner("v", 5, 1).finish() is None


@pytest.mark.parametrize("wrong", [{"chunk_frames": 8, "overlap_frames": 4}, {"chunk": 3}, {"threshold": 0}])
def test_configuration_refuses(wrong: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        SplitConfig.model_validate(wrong)
