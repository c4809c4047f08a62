"""bwdif, one frame out for one frame in."""

from __future__ import annotations

from typing import Literal

import av
from av.filter import Graph

Mode = Literal["auto", "progressive", "deinterlace"]


class Deinterlacer:
    """Passes pictures on in their order, deinterlaced where asked, at most one frame late.

    ``auto`` starts the filter at the first picture that is flagged as interlaced, and lets progressive ones through as
    they are. The pixel format does not change.
    """

    def __init__(self, mode: Mode) -> None:
        self._mode = mode
        self._graph: Graph | None = None
        self._pushed = 0

    def _start(self, picture: av.VideoFrame) -> Graph:
        graph = Graph()
        source = graph.add_buffer(
            width=picture.width, height=picture.height, format=picture.format, time_base=picture.time_base
        )
        which = "all" if self._mode == "deinterlace" else "interlaced"
        bwdif = graph.add("bwdif", f"mode=send_frame:parity=auto:deint={which}")
        same = graph.add("format", f"pix_fmts={picture.format.name}")
        graph.link_nodes(source, bwdif, same, graph.add("buffersink")).configure()
        return graph

    def add(self, picture: av.VideoFrame) -> list[av.VideoFrame]:
        """Push one picture, whose timestamp is overwritten. Returns those that are finished, oldest first."""
        if self._graph is None:
            if self._mode == "progressive" or (self._mode == "auto" and not picture.interlaced_frame):
                return [picture]
            self._graph = self._start(picture)
        picture.pts = self._pushed
        self._pushed += 1
        self._graph.vpush(picture)
        return self._pull()

    def finish(self) -> list[av.VideoFrame]:
        """The pictures that are still inside."""
        if self._graph is None:
            return []
        self._graph.vpush(None)
        return self._pull()

    def _pull(self) -> list[av.VideoFrame]:
        assert self._graph is not None
        pictures = []
        while True:
            try:
                pictures.append(self._graph.vpull())
            except (av.error.BlockingIOError, av.error.EOFError):
                return pictures
