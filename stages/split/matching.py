"""Which fields make up a picture of film, as fieldmatch sees it, and those fields woven at the depth that they have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import av
import numpy as np
from av.filter import Graph
from numpy.typing import NDArray

Matched = tuple[av.VideoFrame, bool]
_NUMBERS = 256
"""Numbers of pictures that go round; the field that is wanted is never further off than the next picture."""


class FieldMatcher:
    """Gives one picture for one, with the field that belongs to its other one: its own or that of a neighbour.

    FFmpeg's fieldmatch knows 8 bits of Y'CbCr only (fed more by ``ppsrc``, it writes beyond its lines). So it decides
    on a copy, and beside every picture runs one whose samples are its number: what comes out says in its first two rows
    of which pictures the fields are to be taken. Those are copied byte by byte, whatever the format.
    """

    def __init__(self, order: str) -> None:
        self._options = f"order={order or 'auto'}:combmatch=full:ppsrc=1"
        self._graph: Graph | None = None
        self._sources: list[Any] = []
        self._sink: Any = None
        self._form: tuple[int, int, str] | None = None
        self._held: dict[int, av.VideoFrame] = {}
        self._pushed = self._done = 0

    def add(self, picture: av.VideoFrame) -> list[Matched]:
        """Push one picture, whose timestamp is overwritten.

        Returns:
            Those that are finished, oldest first, each with whether it is still combed.
        """
        form, done = (picture.width, picture.height, picture.format.name), list[Matched]()
        if form != self._form:
            done, self._form = self.finish(), form
            self._start(picture)
        self._push(picture)
        self._pushed += 1
        return [*done, *self._pull()]

    def finish(self) -> list[Matched]:
        """The pictures that are still inside."""
        if self._graph is None:
            return []
        # The last one waits for a next one, and is lost if the end comes instead (or the process, at an assertion).
        self._push(self._held[(self._pushed - 1) % _NUMBERS])
        done = [*self._pull()]
        if self._done < self._pushed:  # no picture may be lost in silence, whatever another FFmpeg does
            raise RuntimeError(f"fieldmatch kept {self._pushed - self._done} pictures to itself; report this")
        self._graph, self._sources, self._form = None, [], None
        return done

    def _start(self, picture: av.VideoFrame) -> None:
        graph = Graph()
        size = {"width": picture.width, "height": picture.height, "time_base": picture.time_base}
        numbers = av.VideoFormat("yuv410p", picture.width, picture.height)
        self._sources = [graph.add_buffer(format=each, **size) for each in (picture.format, numbers)]
        match, self._sink = graph.add("fieldmatch", self._options), graph.add("buffersink")
        for place, source in enumerate(self._sources):
            source.link_to(match, 0, place)
        match.link_to(self._sink)
        graph.configure()
        self._graph = graph  # which its filters do not keep alive
        self._held, self._pushed, self._done = {}, 0, 0

    def _push(self, picture: av.VideoFrame) -> None:
        self._held[self._pushed % _NUMBERS] = picture
        number = av.VideoFrame(picture.width, picture.height, "yuv410p")
        for plane in number.planes:
            _rows(plane)[:] = self._pushed % _NUMBERS
        picture.pts = number.pts = self._pushed
        for source, each in zip(self._sources, (picture, number), strict=True):
            source.push(each)

    def _pull(self) -> Iterator[Matched]:
        while self._done < self._pushed:
            try:
                told = self._sink.pull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            fields = [int(row[0]) for row in _rows(told.planes[0])[:2]]
            yield self._woven(fields), told.interlaced_frame
            self._held.pop((self._done - 1) % _NUMBERS, None)
            self._done += 1

    def _woven(self, fields: list[int]) -> av.VideoFrame:
        """The picture whose turn it is, with its rows from the pictures of these numbers: even ones, odd ones."""
        own = self._done % _NUMBERS
        if fields == [own, own]:
            return self._held[own]
        woven = _copy(self._held[own])
        for parity, number in enumerate(fields):
            for target, plane in zip(woven.planes, self._held[number].planes, strict=True):
                rows, source = _rows(target), _rows(plane)
                width = min(rows.shape[1], source.shape[1])
                rows[parity::2, :width] = source[parity::2, :width]
        return woven


def _rows(plane: Any) -> NDArray[np.uint8]:
    return np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)


def _copy(picture: av.VideoFrame) -> av.VideoFrame:
    """A picture of its own with the same samples and all that goes with them."""
    graph = Graph()
    source = graph.add_buffer(
        width=picture.width, height=picture.height, format=picture.format, time_base=picture.time_base
    )
    graph.link_nodes(source, graph.add("copy"), graph.add("buffersink")).configure()
    graph.vpush(picture)
    copy = graph.vpull()
    assert isinstance(copy, av.VideoFrame)
    return copy
