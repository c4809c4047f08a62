"""The packets of the finished video stream: cores as decode wrote them, overlaps cross-faded and encoded anew."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

import av

from stages.assemble.crossfade import blend, crossfade_weight
from stages.assemble.ticks import to_ticks
from stages.items import AssembleTask
from stages.media.ffmpeg import file_url
from stages.media.ffv1 import FieldMarker, OutputFormat, open_encoder
from stages.media.frames import output_format, read_pictures
from stages.media.table import FrameTable, read_table

_FORMAT_OPTIONS = {"protocol_whitelist": "file"}


class AssemblyError(RuntimeError):
    """The parts do not make a whole, or the whole is not what it must be. One line."""


def check_coverage(task: AssembleTask) -> None:
    """See that the chunks follow each other without a gap, with a folder for each, and that the name is only a name.

    Raises:
        AssemblyError: they do not.
    """
    if Path(task.name).name != task.name:
        raise AssemblyError(f"{task.name!r} is not a file name")
    if not task.chunks or not len(task.chunks) == len(task.split) == len(task.decode):
        counts = f"{len(task.chunks)} chunks, {len(task.split)} split, {len(task.decode)} decoded"
        raise AssemblyError(f"{task.name}: {counts}")
    position, shared = 0, 0
    for index, chunk in enumerate(task.chunks):
        if chunk.index != index or chunk.start != position - shared or chunk.head != shared:
            raise AssemblyError(f"{task.name}: chunk {index} ({chunk}) does not continue at frame {position}")
        position, shared = chunk.stop, chunk.tail
    if shared:
        raise AssemblyError(f"{task.name}: the last chunk shares {shared} frames with one that is missing")


def frame_times(task: AssembleTask) -> Iterator[tuple[int, int]]:
    """For every frame of the video in order: its source timestamp and the end of its duration, in Matroska's ticks."""
    for chunk, folder in zip(task.chunks, task.split, strict=True):
        table = read_table(folder)
        if len(table) != len(chunk) or table.first != chunk.start:
            raise AssemblyError(f"{task.name}: frames.json of chunk {chunk.index} describes other frames")
        for pts, duration in list(zip(table.pts, table.durations, strict=True))[: len(chunk) - chunk.tail]:
            yield to_ticks(pts, table.time_base), to_ticks(pts + duration, table.time_base)


def reference_file(task: AssembleTask) -> Path:
    """A file that decode wrote, to take the stream's parameters from."""
    for folder in task.decode:
        for name in ("segment.mkv", "head.mkv", "tail.mkv"):
            if (folder / name).is_file():
                return folder / name
    raise AssemblyError(f"{task.name}: decode wrote no frames")


def stream_format(task: AssembleTask) -> OutputFormat:
    """The format in which decode wrote."""
    with av.open(file_url(reference_file(task)), "r", options=dict(_FORMAT_OPTIONS)) as container:
        context = container.streams.video[0].codec_context
        table = read_table(task.split[0])
        bits = av.VideoFormat(context.pix_fmt).components[0].bits
        fmt = output_format(table, context.width, context.height, bits)
        if fmt.pix_fmt != context.pix_fmt:
            raise AssemblyError(f"{task.name}: segments are {context.pix_fmt}, expected {fmt.pix_fmt}")
        return fmt


class Joiner:
    """Yields the packets of the finished stream, one for every frame, in order, without timestamps.

    Attributes:
        overlaps: overlaps cross-faded so far.
    """

    def __init__(self, task: AssembleTask, fmt: OutputFormat) -> None:
        self.overlaps = 0
        self._task = task
        self._format = fmt
        self._extradata = bytes(open_encoder(fmt).extradata)

    def __iter__(self) -> Iterator[Any]:
        previous: Path | None = None
        for chunk, folder in zip(self._task.chunks, self._task.decode, strict=True):
            if chunk.head:
                assert previous is not None
                yield from self._overlap(previous / "tail.mkv", folder / "head.mkv", chunk.head)
            if len(chunk.core):
                yield from self._core(folder / "segment.mkv", len(chunk.core))
            previous = folder

    def _core(self, path: Path, expected: int) -> Iterator[Any]:
        count = 0
        with av.open(file_url(path), "r", options=dict(_FORMAT_OPTIONS)) as container:
            stream = container.streams.video[0]
            if bytes(stream.codec_context.extradata or b"") != self._extradata:
                raise AssemblyError(f"{path}: encoded with other parameters; decode the chunk again")
            for packet in container.demux(stream):
                if packet.size:
                    count += 1
                    yield packet
        if count != expected:
            raise AssemblyError(f"{path}: holds {count} frames instead of {expected}; decode the chunk again")

    def _overlap(self, earlier: Path, later: Path, expected: int) -> Iterator[Any]:
        encoder, marker = open_encoder(self._format), FieldMarker(self._format)
        count = 0
        for a, b in zip_longest(read_pictures(earlier), read_pictures(later)):
            if a is None or b is None:
                ended, other = (earlier, later) if a is None else (later, earlier)
                raise _other_frames(ended if count < expected else other, expected)
            picture = blend(a, b, crossfade_weight(count, expected))
            picture.pts, picture.time_base = count, 1 / self._format.rate
            count += 1
            yield from encoder.encode(marker.mark(picture))
        yield from encoder.encode(None)
        if count != expected:
            raise _other_frames(later, expected)
        self.overlaps += 1


def _other_frames(path: Path, expected: int) -> AssemblyError:
    return AssemblyError(f"{path}: does not hold the {expected} frames of its overlap; decode the chunk again")


def first_table(task: AssembleTask) -> FrameTable:
    """The table of the first chunk: what is the same for the whole video."""
    return read_table(task.split[0])


def last_table(task: AssembleTask) -> FrameTable:
    """The table of the last chunk: what is known when the whole video has been read."""
    return read_table(task.split[-1])
