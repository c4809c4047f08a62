"""Shots, the seams in them, and which of their frames are looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

SHORTEST = 8
"""Frames that are measured of a shot at least: enough for a mean of its warping error."""


@dataclass(frozen=True, slots=True)
class Shot:
    """The frames from ``start`` up to, not including, ``stop``.

    Attributes:
        number: counted from 0.
        seams: where one chunk passes into the next: the frames that both restored, from the first up to, not including,
            the second; both are the same where chunks do not overlap.
    """

    number: int
    start: int
    stop: int
    seams: tuple[tuple[int, int], ...] = ()

    def __len__(self) -> int:
        return self.stop - self.start


def shots_of(chunks: Sequence[tuple[int, ...]]) -> list[Shot]:
    """The shots that chunks (number, shot, start, stop, head, tail) belong to, in order."""
    shots = []
    for number, group in groupby(sorted(chunks, key=lambda chunk: chunk[2]), key=lambda chunk: chunk[1]):
        spans = [(chunk[2], chunk[3]) for chunk in group]
        seams = tuple((after[0], before[1]) for before, after in pairwise(spans))
        shots.append(Shot(number, spans[0][0], max(stop for _, stop in spans), seams))
    return shots


def stretches(shots: Sequence[Shot], budget: int) -> list[range]:
    """Which frames are measured: all of them, or a stretch of each shot where they are more than ``budget``.

    A stretch lies about the middle of the shot's seams, if it has any, else about its own middle. Where there are more
    shots than stretches of ``SHORTEST`` frames in the budget, shots are left out evenly.
    """
    if budget <= 0 or not shots:
        return []
    if sum(map(len, shots)) <= budget:
        return [range(shot.start, shot.stop) for shot in shots]
    count = min(len(shots), max(1, budget // SHORTEST))
    chosen = [shots[index * len(shots) // count] for index in range(count)]
    length = max(SHORTEST, budget // count)
    return [_stretch(shot, length) for shot in chosen]


def _stretch(shot: Shot, length: int) -> range:
    length = min(length, len(shot))
    middle = (shot.start + shot.stop) // 2
    if shot.seams:
        first, last = shot.seams[len(shot.seams) // 2]
        middle = (first + last) // 2
    start = min(max(shot.start, middle - length // 2), shot.stop - length)
    return range(start, start + length)


def evenly(frames: Sequence[int], count: int) -> list[int]:
    """At most ``count`` of the frames, evenly spaced, each from the middle of its share."""
    if count <= 0 or not frames:
        return []
    count = min(count, len(frames))
    return [frames[(2 * index + 1) * len(frames) // (2 * count)] for index in range(count)]
