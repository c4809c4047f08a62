"""From what idet measured of every frame to what is done with it, stretch by stretch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from stages.media.account import FieldStretch, Order, Treatment
from stages.split.config import FieldPolicy

PROGRESSIVE, TOP_FIRST, BOTTOM_FIRST, UNDETERMINED = "p", "t", "b", "u"
_STATES = (PROGRESSIVE, TOP_FIRST, BOTTOM_FIRST)
_ORDERS: dict[str, Order] = {TOP_FIRST: "tff", BOTTOM_FIRST: "bff"}

_SWITCH = 8
"""Frames of evidence that it takes to believe that the kind of video changes."""

_DOUBT = 4
"""Frames of evidence that it takes to believe that a piece shorter than a switch is interlaced if no flag says so: what
idet says of a few frames is often chance."""

_CYCLE = 5
"""Frames of 3:2 pulldown after which it repeats: four pictures of film in ten fields."""

_STEADY = 3
"""Cycles in a row that make a pattern steady."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What idet says of every frame, one letter each.

    Attributes:
        kinds: p progressive, t or b interlaced with the top or bottom field first, u undetermined.
        repeated: t or b where the top or bottom field is that of the frame before, n where neither is.
        flags: i where the file flags the frame as interlaced, p where it does not.
    """

    kinds: str
    repeated: str
    flags: str


def decide(policy: FieldPolicy, measured: Measured, too_small: bool = False) -> tuple[FieldStretch, ...]:
    """The treatment of every frame. Stretches follow each other without a gap. ``too_small``: see ``treatment``."""
    count = len(measured.kinds)
    if not count:
        return ()
    if too_small and policy != "keep":
        why = "as configured" if policy == "progressive" else "too small to be deinterlaced"
        return (FieldStretch(start=0, stop=count, treatment="progressive", order="", why=why),)
    order = _order(measured.kinds)
    fixed: dict[str, Treatment] = {
        "progressive": "progressive",
        "deinterlace": "deinterlaced",
        "ivtc": "inverse telecine",
        "keep": "kept",
    }
    if policy in fixed:
        treatment = fixed[policy]
        shown: Order = "" if policy == "progressive" else order
        return (FieldStretch(start=0, stop=count, treatment=treatment, order=shown, why="as configured"),)
    return tuple(_automatic(measured))


def _order(letters: str) -> Order:
    top, bottom = letters.count(TOP_FIRST), letters.count(BOTTOM_FIRST)
    if top == bottom:
        return ""
    return "tff" if top > bottom else "bff"


def _automatic(measured: Measured) -> Iterator[FieldStretch]:
    position = 0
    for start, stop in [*_telecined(measured.repeated), (len(measured.kinds), len(measured.kinds))]:
        if position < start:
            yield from _by_kind(measured, position, start)
        if start < stop:
            order = _order(measured.kinds[start:stop])
            why = "fields repeat as in 3:2 pulldown"
            yield FieldStretch(start=start, stop=stop, treatment="inverse telecine", order=order, why=why)
        position = stop


def _telecined(repeated: str) -> list[tuple[int, int]]:
    """Ranges of frames in which a top and a bottom field repeat every five frames, always at the same places."""
    runs: list[_Run] = []
    for place, letter in enumerate(repeated):
        if letter not in (TOP_FIRST, BOTTOM_FIRST):
            continue
        fits = next((run for run in reversed(runs[-2:]) if run.fits(place, letter)), None)
        if fits is None:
            fits = _Run({})
            runs.append(fits)
        fits.add(place, letter)
    found: list[tuple[int, int]] = []
    for run in runs:
        if min(run.counts.get(TOP_FIRST, 0), run.counts.get(BOTTOM_FIRST, 0)) < _STEADY:
            continue
        start = max(found[-1][1] if found else 0, run.first - _CYCLE // 2)
        stop = min(len(repeated), run.last + 1 + _CYCLE // 2)
        if start < stop:
            found.append((start, stop))
    return found


class _Run:
    """Repeated fields at the same places of the cycle, none more than two cycles after the one before."""

    def __init__(self, phases: dict[str, int]) -> None:
        self.phases = phases
        self.counts: dict[str, int] = {}
        self.first = self.last = -1

    def fits(self, place: int, letter: str) -> bool:
        if place - self.last > 2 * _CYCLE:
            return False
        phase = place % _CYCLE
        if letter in self.phases:
            return self.phases[letter] == phase
        return phase not in self.phases.values()

    def add(self, place: int, letter: str) -> None:
        self.phases[letter] = place % _CYCLE
        self.counts[letter] = self.counts.get(letter, 0) + 1
        self.first = place if self.first < 0 else self.first
        self.last = place


def _by_kind(measured: Measured, start: int, stop: int) -> Iterator[FieldStretch]:
    kinds, flags, why, orders = measured.kinds[start:stop], measured.flags[start:stop], "measured", _ORDERS
    if set(kinds) == {UNDETERMINED}:  # nothing moves: the flags can do no harm, and may be right
        kinds, why, orders = flags.replace("i", TOP_FIRST), "nothing moves; as flagged", {}
    brief = stop - start < _SWITCH and "i" not in flags
    states = smoothed(kinds, _DOUBT if brief else 0, flags)
    begin = 0
    for end in range(1, len(states) + 1):
        if end == len(states) or states[end] != states[begin]:
            state = states[begin]
            yield FieldStretch(
                start=start + begin,
                stop=start + end,
                treatment="progressive" if state == PROGRESSIVE else "deinterlaced",
                order=orders.get(state, ""),
                why=why,
            )
            begin = end


def smoothed(kinds: Sequence[str], doubt: int, flags: Sequence[str] = "") -> str:
    """The likeliest course of p, t and b behind single measurements: one change costs as much as eight misjudgements.

    The Viterbi algorithm with three states, which keeps three bytes for every frame. To begin with t or b costs
    ``doubt``. Of courses that cost the same, the one that follows the most flags where nothing was determined.
    """
    one = len(kinds) + 1  # a misjudgement, which all flags together do not outweigh
    switch = _SWITCH * one
    costs = {state: 0 if state == PROGRESSIVE else doubt * one for state in _STATES}
    back = {state: bytearray() for state in _STATES}  # the state before each frame, were the frame in this one
    for kind, flag in zip_longest(kinds, flags):
        cheapest = min(_STATES, key=lambda state: costs[state])
        for s, before in back.items():
            before += (s if costs[s] <= costs[cheapest] + switch else cheapest).encode()
        costs = {s: min(costs[s], costs[cheapest] + switch) + _misjudged(s, kind, flag, one) for s in _STATES}
    state = min(_STATES, key=lambda each: costs[each])
    path = bytearray()
    for frame in reversed(range(len(kinds))):
        path += state.encode()
        state = chr(back[state][frame])
    return path[::-1].decode()


def _misjudged(state: str, kind: str, flag: str | None, one: int) -> int:
    if kind in _STATES:
        return one if kind != state else 0
    return int(flag is not None and (flag == "i") == (state == PROGRESSIVE))
