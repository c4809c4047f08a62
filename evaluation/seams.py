"""Seam ratio: does the picture jump where one window or chunk ends and the next begins?

Source: ours, after the warping error of Lai et al. 2018 (``warping_error``). Pairs of neighbouring frames are divided
into those that cross a border of chunks, those that cross a border of windows within a chunk, and the rest, inside.
With E the mean warping error of each group,

    seam ratio = (E_border / E_inside of the restored clip) / (E_border / E_inside of the reference)

The division by the reference takes out that some frames simply move more than others.
Unit: none. Range: 0 upwards; 1 means no seams, 1.5 that frames differ half as much again across a border as inside.
Where neighbours overlap, every pair that touches an overlapped frame counts as a border.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from evaluation.warping_error import PairErrors
from models.tiling import tile_starts
from stages.split.plan import plan_video

FLOOR = 1e-7
"""Added to every mean, so that a clip that stands still has the ratio 1: a twelfth of an 8-bit step, squared."""

Span = tuple[int, int]
"""Frames from the first up to, not including, the second."""


@dataclass(frozen=True, slots=True)
class Windows:
    """Windows within a chunk.

    Attributes:
        length: frames of one.
        overlap: frames that neighbours share.
        filled: whether a chunk is filled up with repetitions of its last frame, so that the last window begins where it
            would in a longer chunk; else that is moved back to end with the chunk.
    """

    length: int
    overlap: int = 0
    filled: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.overlap < self.length:
            raise ValueError(f"windows of {self.length} frames cannot overlap by {self.overlap}")

    def spans(self, chunk: Span) -> list[Span]:
        """The windows of a chunk, without repetitions."""
        start, stop = chunk
        frames = -(-(stop - start) // self.length) * self.length if self.filled else stop - start
        starts = (start + each for each in tile_starts(frames, self.length, self.overlap))
        return [(each, min(each + self.length, stop)) for each in starts if each < stop]


def plan_chunks(frames: int, chunk: int, overlap: int) -> list[Span]:
    """The chunks of one shot of ``frames`` frames, as ``stages.split`` cuts them.

    Raises:
        ValueError: chunks cannot overlap by that much.
    """
    return [(planned.start, planned.stop) for planned in plan_video("", [frames], chunk, overlap)]


def border_pairs(spans: Sequence[Span]) -> set[int]:
    """Numbers t of the pairs (t, t + 1) that cross from one span to the next, or touch a frame that both hold."""
    return {
        pair
        for (_, stop), (start, _) in pairwise(sorted(spans))
        for pair in range(min(start, stop) - 1, stop)
        if pair >= 0
    }


@dataclass(frozen=True, slots=True)
class Borders:
    """Which pairs of a clip cross which borders. Masks of ``[frames - 1]``, disjoint.

    Attributes:
        chunk: pairs at borders of chunks.
        window: pairs at borders of windows that are not at borders of chunks.
    """

    chunk: NDArray[np.bool_]
    window: NDArray[np.bool_]

    @property
    def inside(self) -> NDArray[np.bool_]:
        """Pairs at no border."""
        return ~(self.chunk | self.window)


def find_borders(frames: int, chunks: Sequence[Span], windows: Iterable[Windows]) -> Borders:
    """The borders of a clip of ``frames`` frames that was restored in these chunks, each in windows of these kinds."""
    chunk = _mask(frames, border_pairs(chunks))
    crossing: set[int] = set()
    for kind in windows:
        for span in chunks:
            crossing |= border_pairs(kind.spans(span))
    return Borders(chunk, _mask(frames, crossing) & ~chunk)


def _mask(frames: int, pairs: set[int]) -> NDArray[np.bool_]:
    mask = np.zeros(max(0, frames - 1), np.bool_)
    mask[[pair for pair in pairs if pair < len(mask)]] = True
    return mask


def seam_ratio(
    restored: PairErrors, reference: PairErrors, border: NDArray[np.bool_], inside: NDArray[np.bool_]
) -> float | None:
    """The seam ratio at the pairs ``border``; None if there is no such pair, or none inside."""
    ratios = []
    for errors in (restored, reference):
        at_border, within = errors.mean(border), errors.mean(inside)
        if np.isnan(at_border) or np.isnan(within):
            return None
        ratios.append((at_border + FLOOR) / (within + FLOOR))
    return ratios[0] / ratios[1]
