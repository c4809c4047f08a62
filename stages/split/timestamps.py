"""When each frame of a source is shown, also where its own timestamp is missing or wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from stages.media.probe import VideoFacts

LOOK_AHEAD = 3
"""How many frames after it a timestamp is judged by."""
_FARTHEST = 10**8
"""Seconds; a timestamp beyond three years is not one."""
_LEAP = 4
"""Frames at the nominal rate; what is no farther ahead is no leap, whatever comes after it."""
_After = list[tuple[int, int]]
"""Timestamps of later frames, each with its distance in frames."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """When a frame is shown, in ticks; ``duration`` is what the file says, 0 if nothing; ``mended`` if made up."""

    pts: int
    duration: int
    mended: bool


class Stamper:
    """Gives every frame a timestamp later than the one before it.

    A frame without one, with one that is not later, or with one that leaps ahead while most frames after it go on from
    where the time was, is placed by the nominal rate after the last good one, and marked; if most frames after it are
    later than that, it is placed before them, so that a timestamp that is there twice moves no other frame. A leap that
    the frames after it follow is a gap, and stays. Where the clock begins anew (joined recordings), the frames go on
    one step after the last one in their own time, marked.

    Attributes:
        begin: where the first frame must be for the first good timestamp to be right, if there are frames without one
            before it; known when that has been met.
    """

    def __init__(self, facts: VideoFacts, begin: int | None = None) -> None:
        self.begin = begin
        self._nominal = 1 / (facts.rate * facts.time_base)
        self._farthest = _FARTHEST / facts.time_base
        self._start = (facts.start or 0) if begin is None else begin
        self._last: int | None = None
        self._course: int | None = None  # the file's own time, which falls behind ours where frames are made up
        self._offset = 0  # what is added to the timestamps of joined recordings
        self._anchor = (self._start, -1)
        self._number = -1

    @property
    def nominal(self) -> int:
        """Ticks of one frame at the nominal rate, at least 1."""
        return max(1, round(self._nominal))

    def stamp(self, pts: int | None, duration: int, following: Sequence[int | None] = ()) -> Stamp:
        """The stamp of the next frame, whose own timestamp is ``pts``.

        Args:
            pts: ticks, None if it has none.
            duration: ticks as the file has them, 0 if it has none.
            following: the own timestamps of up to ``LOOK_AHEAD`` frames after it.
        """
        self._number += 1
        usable = [self._usable(each) for each in (pts, *following)]
        self._offset = self._offset_of(usable)
        own, *later = (None if each is None else each + self._offset for each in usable)
        after = [(far, each) for far, each in enumerate(later, 1) if each is not None]
        passed = self._passed(own, after)
        if own is not None and not passed:
            if self._course is None and self._number and self.begin is None:
                self.begin = own - round(self._number * self._nominal)
            self._course = own
        if own is None or passed or (self._last is not None and own <= self._last):
            place, good = self._made_up(passed or self._ahead(after)), False
        else:
            place, good = own, not self._offset
            self._anchor = (own, self._number)
        self._last = place
        return Stamp(place, duration, not good)

    def _usable(self, pts: int | None) -> int | None:
        return pts if pts is not None and abs(pts) < self._farthest else None

    def _offset_of(self, usable: Sequence[int | None]) -> int:
        """What is added to the timestamps of this frame and those after it, which are ``usable``.

        It changes where they begin anew and rise, and most are not later than the last frame, and where they are back
        in the time of the file.
        """
        own, times = usable[0], [each for each in usable if each is not None]
        if own is None or self._last is None or self._course is None:  # nothing says where the clock was
            return self._offset
        leap = self._last + _LEAP * self._nominal
        if self._last < own <= leap < own + self._offset:
            return 0
        later = sum(each + self._offset > self._last for each in times[1:])
        rises = len(times) >= LOOK_AHEAD and all(one < other for one, other in pairwise(times))
        if own + self._offset > self._last or not rises or 2 * later >= len(times):
            return self._offset
        return self._last + self.nominal - own

    def _passed(self, own: int | None, after: _After) -> _After:
        """What goes on from where the time was, if ``own`` leaps ahead of most of what comes after it; else nothing."""
        if own is None:
            return []
        onward = [each for each in after if self._course is None or each[1] > self._course]
        passed = [each for each in onward if each[1] <= own]
        if not passed or len(passed) <= len(onward) - len(passed):
            return []
        if self._last is None:  # nothing says where the time was; a cut-out program stream may begin with a wrong one
            return passed if 1 < len(passed) == len(onward) else []
        return passed if own - self._last > _LEAP * self._nominal else []

    def _ahead(self, after: _After) -> _After:
        """What comes after this frame, if most of it is later than the last one; else nothing."""
        later = sum(self._last is not None and pts > self._last for _, pts in after)
        return after if 2 * later > len(after) else []

    def _made_up(self, following: _After) -> int:
        """By the nominal rate, and before the good timestamps of ``following``."""
        if self._last is None and following:
            far, pts = following[0]
            return pts - round(far * self._nominal)
        anchor, number = self._anchor
        place = anchor + round((self._number - max(number, 0)) * self._nominal)
        if self._last is None:
            return place
        room = [self._last + (pts - self._last) // (far + 1) for far, pts in following if pts > self._last]
        return max(min([place, *room]), self._last + 1)
