"""The split stage."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import av

from stages.contract import Stage
from stages.items import Chunk, SplitChunk, SplitTask
from stages.media.frames import FRAMES_NAME, LosslessWriter
from stages.media.matroska import check_audio
from stages.media.probe import describe, open_video
from stages.media.table import FrameTable, write_table
from stages.split.config import SplitConfig
from stages.split.cuts import CutFinder
from stages.split.plan import ChunkPlanner
from stages.split.source import SourceReader, read_source
from stages.split.timestamps import Stamp


@dataclass(frozen=True, slots=True)
class _Frame:
    picture: av.VideoFrame
    stamp: Stamp


class SplitStage(Stage[SplitTask, Iterator[SplitChunk]]):
    """Decodes a video twice, to survey it and to cut it, and yields its chunks as they become complete.

    Holds the decoded frames of one chunk, and the few more that the detector of cuts looks ahead, but never more: a
    chunk is written when its end is known, so that one which is not wanted costs no encoding.
    """

    name: ClassVar[str] = "split"
    revision: ClassVar[int] = 4

    def __init__(self, config: SplitConfig) -> None:
        self.config = config

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The configuration."""
        return self.config.model_dump(mode="json")

    def run(self, task: SplitTask) -> Iterator[SplitChunk]:
        """Yield the video's chunks in order; each one's folder is complete when it is yielded.

        Raises:
            ItemError: not a video, or none of its frames can be decoded.
        """
        with open_video(task.source, self.config.sequence_rate) as container:
            describe(container, task.source.name)
            check_audio(container, task.source.name)
        with read_source(task.source, self.config) as reader:
            yield from _Cutting(task, self.config, reader).chunks()


class _Cutting:
    """One video on its way through split."""

    def __init__(self, task: SplitTask, config: SplitConfig, reader: SourceReader) -> None:
        self._task = task
        self._facts = reader.facts
        self._reader = reader
        self._cuts = CutFinder(config)
        self._planner = ChunkPlanner(task.video, config.chunk_frames, config.overlap_frames)
        self._frames: deque[_Frame] = deque()
        self._first = 0

    def chunks(self) -> Iterator[SplitChunk]:
        for picture, stamp in self._reader:
            self._frames.append(_Frame(picture, stamp))
            yield from self._complete(self._cuts.add(picture))
        yield from self._complete(self._cuts.finish())
        last = self._planner.finish()
        if last is not None:
            yield self._write(last, final=True)

    def _complete(self, verdicts: list[bool]) -> Iterator[SplitChunk]:
        for cut in verdicts:
            chunk = self._planner.add(cut)
            if chunk is not None:
                yield self._write(chunk, final=False)
                while self._first < self._planner.needed_from:
                    self._frames.popleft()
                    self._first += 1

    def _write(self, chunk: Chunk, final: bool) -> SplitChunk:
        if not self._task.wanted(chunk):
            return SplitChunk(chunk, None)
        folder = self._task.output / f"chunk-{chunk.index:06d}"
        folder.mkdir()
        frames = [self._frames[number - self._first] for number in range(chunk.start, chunk.stop)]
        following = self._frames[chunk.stop - self._first] if chunk.stop - self._first < len(self._frames) else None
        table = self._table(chunk, frames, following, final)
        with LosslessWriter(folder / FRAMES_NAME, table) as writer:
            for frame in frames:
                writer.write(frame.picture)
        write_table(folder, table)
        return SplitChunk(chunk, folder)

    def _table(self, chunk: Chunk, frames: list[_Frame], following: _Frame | None, final: bool) -> FrameTable:
        pts = [frame.stamp.pts for frame in frames]
        end = following.stamp.pts if following else pts[-1] + (frames[-1].stamp.duration or self._reader.nominal)
        picture, facts = frames[0].picture, self._facts
        return FrameTable(
            first=chunk.start,
            time_base=facts.time_base,
            pts=tuple(pts),
            durations=tuple(later - earlier for earlier, later in zip(pts, [*pts[1:], end], strict=True)),
            width=picture.width,
            height=picture.height,
            pix_fmt=picture.format.name,
            rate=facts.rate,
            sar=facts.sar,
            rotation=self._reader.turn.rotation,
            mirrored=self._reader.turn.mirrored,
            woven=self._reader.woven,
            colour=facts.colour,
            mended=sum(frame.stamp.mended for frame in frames),
            decode_errors=self._reader.errors if final else 0,
            account=self._reader.account if final else None,
            announced_frames=facts.frames if final else 0,
            announced_seconds=facts.duration if final else 0.0,
        )
