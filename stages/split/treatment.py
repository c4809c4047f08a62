"""What is done with the fields of interlaced video: bwdif, or fieldmatch and one frame of five left out."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import av
import numpy as np
from av.filter import Graph
from numpy.typing import NDArray

from stages.media.account import FieldStretch
from stages.media.planes import components
from stages.split.matching import FieldMatcher, Matched
from stages.split.timestamps import Stamp

Stamped = tuple[av.VideoFrame, Stamp]
_CYCLE = 5
_FEWEST_COLUMNS, _FEWEST_LINES = 3, 4
"""What bwdif needs of every plane."""


def too_small(width: int, height: int, pix_fmt: str) -> bool:
    """Whether pictures are too small to be deinterlaced; ``FieldTreatment`` lets them through."""
    fmt = av.VideoFormat(pix_fmt, width, height)
    columns, lines = fmt.chroma_width(width), fmt.chroma_height(height)
    return min(width, columns) < _FEWEST_COLUMNS or min(height, lines) < _FEWEST_LINES


class Deinterlacer:
    """bwdif, one picture out for one in, kept with their stamps.

    Args:
        order: tff or bff, "" for what each picture's own flag says.
    """

    def __init__(self, order: str) -> None:
        self._options = f"mode=send_frame:parity={order or 'auto'}:deint=all"
        self._graph: Graph | None = None
        self._form: tuple[int, int, str] | None = None
        self._stamps: deque[Stamp] = deque()
        self._pushed = 0

    def add(self, picture: av.VideoFrame, stamp: Stamp) -> list[Stamped]:
        """Push one picture, whose timestamp is overwritten. Returns those that are finished, oldest first."""
        form, done = (picture.width, picture.height, picture.format.name), []
        if form != self._form:
            done, self._form = self.finish(), form
            self._graph = None if too_small(*form) else self._start(picture)
        if self._graph is None:
            return [*done, (picture, stamp)]
        self._stamps.append(stamp)
        picture.pts = self._pushed
        self._pushed += 1
        self._graph.vpush(picture)
        return [*done, *self._pull()]

    def finish(self) -> list[Stamped]:
        """The pictures that are still inside."""
        if self._graph is None:
            return []
        self._graph.vpush(None)
        done = self._pull()
        self._graph = None
        return done

    def _start(self, picture: av.VideoFrame) -> Graph:
        graph = Graph()
        before, after = _borrowed(picture.format.name, picture.format.components[0].bits)
        nodes = [
            graph.add_buffer(
                width=picture.width, height=picture.height, format=picture.format, time_base=picture.time_base
            ),
            *(graph.add(name, options) for name, options in [*before, ("bwdif", self._options), *after]),
            graph.add("format", f"pix_fmts={picture.format.name}"),
            graph.add("buffersink"),
        ]
        graph.link_nodes(*nodes).configure()
        return graph

    def _pull(self) -> list[Stamped]:
        assert self._graph is not None
        done: list[Stamped] = []
        while True:
            try:
                done.append((self._graph.vpull(), self._stamps.popleft()))
            except (av.error.BlockingIOError, av.error.EOFError):
                return done


def _borrowed(pix_fmt: str, bits: int) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """What to do before and after bwdif to formats that it lacks, which it would otherwise see at 8 or at 16 bits.

    Their planes go as they are into a format that it has.
    """
    if not 8 < bits < 16:
        return [], []
    if pix_fmt.startswith("gray"):
        return [("mergeplanes", f"map0p=0:map1p=0:map2p=0:format=yuv444p{bits}le")], [("extractplanes", "y")]
    if pix_fmt.startswith("gbrap") and bits != 14:
        planes = "map0p=0:map1p=1:map2p=2:map3p=3"
        return [("mergeplanes", f"{planes}:format=yuva444p{bits}le")], [("mergeplanes", f"{planes}:format={pix_fmt}")]
    return [], []


class FilmRestorer:
    """Undoes 3:2 pulldown: fields are matched to the pictures of film, and of five frames the repeated one is left out.

    The four that stay share the time of the five evenly. A cycle that is not complete stays as it is.
    """

    def __init__(self, order: str) -> None:
        self._matcher = FieldMatcher(order)
        self._deinterlacer = Deinterlacer(order)
        self._stamps: deque[Stamp] = deque()
        self._matched: deque[Matched] = deque()
        self._cycle: list[Stamped] = []
        self._before: NDArray[np.generic] | None = None

    def add(self, picture: av.VideoFrame, stamp: Stamp) -> list[Stamped]:
        """Push one picture. Returns those that are finished, oldest first."""
        self._stamps.append(stamp)
        return self._decimated(self._mended(self._matcher.add(picture)))

    def finish(self) -> list[Stamped]:
        """The pictures that are still inside."""
        matched = self._mended(self._matcher.finish())
        done = self._decimated([*matched, *self._chosen(self._deinterlacer.finish())])
        rest, self._cycle = self._cycle, []
        return [*done, *rest]

    def _mended(self, matched: list[Matched]) -> list[Stamped]:
        """What no field could be found for goes through bwdif, which sees its neighbours, too."""
        done: list[Stamped] = []
        for each in matched:
            self._matched.append(each)
            done += self._chosen(self._deinterlacer.add(each[0], self._stamps.popleft()))
        return done

    def _chosen(self, deinterlaced: list[Stamped]) -> list[Stamped]:
        done: list[Stamped] = []
        for picture, stamp in deinterlaced:
            matched, combed = self._matched.popleft()
            done.append((picture if combed else matched, stamp))
        return done

    def _decimated(self, matched: list[Stamped]) -> list[Stamped]:
        done: list[Stamped] = []
        for each in matched:
            self._cycle.append(each)
            if len(self._cycle) == _CYCLE:
                done += self._four()
                self._cycle = []
        return done

    def _four(self) -> list[Stamped]:
        lumas = [components(picture)[0] for picture, _ in self._cycle]
        before = [self._before, *lumas[:-1]]
        changes = [_difference(now, then) for now, then in zip(lumas, before, strict=True)]
        repeated = changes.index(min(changes))
        self._before = lumas[-1].copy()
        first, last = self._cycle[0][1].pts, self._cycle[-1][1].pts
        span = (last - first) * _CYCLE / (_CYCLE - 1)
        kept = [picture for number, (picture, _) in enumerate(self._cycle) if number != repeated]
        mended = any(stamp.mended for _, stamp in self._cycle)
        return [
            (picture, Stamp(first + round(number * span / (_CYCLE - 1)), round(span / (_CYCLE - 1)), mended))
            for number, picture in enumerate(kept)
        ]


def _difference(now: NDArray[np.generic], then: NDArray[np.generic] | None) -> float:
    if then is None or then.shape != now.shape:
        return float("inf")
    return float(np.abs(now.astype(np.int32) - then.astype(np.int32)).mean())


class _Untouched:
    """Lets pictures through."""

    def add(self, picture: av.VideoFrame, stamp: Stamp) -> list[Stamped]:
        return [(picture, stamp)]

    def finish(self) -> list[Stamped]:
        return []


class FieldTreatment:
    """Takes every picture through what was decided for its stretch. None passes another."""

    def __init__(self, stretches: Sequence[FieldStretch]) -> None:
        self._stretches = deque(stretches)
        self._number = 0
        self._worker: _Untouched | Deinterlacer | FilmRestorer = _Untouched()
        self._stop = 0

    def add(self, picture: av.VideoFrame, stamp: Stamp) -> list[Stamped]:
        """Push one picture. Returns those that are finished, oldest first."""
        done: list[Stamped] = []
        if self._number == self._stop and self._stretches:
            done = self._worker.finish()
            stretch = self._stretches.popleft()
            self._worker, self._stop = _worker(stretch), stretch.stop
        self._number += 1
        return [*done, *self._worker.add(picture, stamp)]

    def finish(self) -> list[Stamped]:
        """The pictures that are still inside."""
        return self._worker.finish()


def _worker(stretch: FieldStretch) -> _Untouched | Deinterlacer | FilmRestorer:
    if stretch.treatment == "deinterlaced":
        return Deinterlacer(stretch.order)
    if stretch.treatment == "inverse telecine":
        return FilmRestorer(stretch.order)
    return _Untouched()
