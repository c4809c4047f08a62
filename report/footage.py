"""The frames of a published video and of what it was made from, by their number.

The input's frames are read from split's artifacts where the workspace still has them: they are exactly what the
networks saw. Else the source is read again as split reads it, up to the last frame that is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import TypeVar

import av
import numpy as np
from numpy.typing import NDArray

from pipeline.artifacts import Artifacts
from pipeline.rows import SourceRow
from pipeline.source_files import localise
from pipeline.storage import Storage, StorageError
from stages.contract import ItemError
from stages.media.demuxing import demux
from stages.media.ffv1 import repack
from stages.media.frames import read_frames, rgb_from_picture
from stages.media.probe import VideoFacts, open_video, probe, video_stream
from stages.split.config import SplitConfig
from stages.split.source import read_source

Frame = TypeVar("Frame")
Rgb = NDArray[np.float32]
"""R'G'B' ``[h, w, 3]`` in [0, 1]."""


@dataclass(frozen=True, slots=True)
class StoredFrames:
    """Where input frames from ``start`` up to, not including, ``stop`` lie: the fingerprint of a split artifact."""

    start: int
    stop: int
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Input:
    """What a video was made from.

    Attributes:
        stored: split's artifacts, in order of their frames.
        source: the source itself.
        split: how it was read.
        redacted: whether its address carried what is not recorded.
    """

    stored: tuple[StoredFrames, ...]
    source: SourceRow
    split: SplitConfig
    redacted: bool = False

    def frames(self, wanted: Sequence[int], artifacts: Artifacts, scratch: Path) -> Iterator[Rgb]:
        """Yield the wanted frames, whose numbers increase.

        Raises:
            ItemError: if neither the artifacts nor the unchanged source are there, or the source ends before.
        """
        places = [self._stored(number, artifacts) for number in wanted]
        if all(place is not None for place in places):
            pairs = [(place, number) for place, number in zip(places, wanted, strict=True) if place is not None]
            for place, group in groupby(pairs, key=lambda pair: pair[0]):
                numbers = [number - place.start for _, number in group]
                folder = artifacts.fetch("split", place.fingerprint)
                try:
                    yield from _picked(read_frames(folder), numbers, self.source.shown)
                finally:
                    artifacts.release(folder)
            return
        with self._opened(scratch) as path, read_source(path, self.split) as reader:
            frames = (picture for picture, _ in reader)
            for picture in _picked(frames, wanted, self.source.shown):
                yield rgb_from_picture(picture, reader.facts.colour)

    @contextmanager
    def _opened(self, scratch: Path) -> Iterator[Path]:
        with ExitStack() as stack:
            try:
                path = stack.enter_context(localise(self.source, scratch))
            except (ItemError, StorageError, OSError) as error:
                if not self.redacted:
                    raise
                raise ItemError(
                    f"{self.source.shown}: its address carried credentials that are not kept, so its frames cannot be "
                    "read again; no pictures"
                ) from error
            yield path

    def _stored(self, number: int, artifacts: Artifacts) -> StoredFrames | None:
        for place in self.stored:
            if place.start <= number < place.stop and artifacts.record("split", place.fingerprint):
                return place
        return None


def _picked(frames: Iterator[Frame], numbers: Sequence[int], name: str) -> Iterator[Frame]:
    wanted = iter(numbers)
    number = next(wanted, None)
    for index, frame in enumerate(frames):
        if number is None:
            return
        if index == number:
            yield frame
            number = next(wanted, None)
    if number is not None:
        raise ItemError(f"{name}: frame {number} cannot be read any more")


@dataclass(frozen=True, slots=True)
class Restored:
    """A published video.

    Attributes:
        path: the file.
        facts: what its headers say.
        times: timestamp of every frame in milliseconds.
    """

    path: Path
    facts: VideoFacts
    times: tuple[int, ...]

    @classmethod
    def open(cls, path: Path, fixity: str | None) -> Restored:
        """Probe a file; its timestamps come from its framemd5 if that is given, else from its packets.

        Raises:
            ItemError: it is missing or no video.
        """
        times = _fixity_times(fixity) if fixity else _packet_times(path)
        return cls(path, probe(path), tuple(times))

    def frames(self, wanted: Sequence[int]) -> Iterator[Rgb]:
        """Yield the wanted frames, whose numbers increase; only runs of neighbours are decoded.

        Raises:
            ItemError: if one cannot be decoded.
        """
        for _, group in groupby(enumerate(wanted), key=lambda pair: pair[1] - pair[0]):
            yield from self._run([number for _, number in group])

    def _run(self, numbers: Sequence[int]) -> Iterator[Rgb]:
        first, left = self.times[numbers[0]], len(numbers)
        try:
            with open_video(self.path) as container:
                stream = video_stream(container, self.path.name)
                stream.thread_type = "SLICE"
                container.seek(int(Fraction(first, 1000) / stream.time_base), stream=stream)
                for picture in container.decode(stream):
                    if round(picture.pts * stream.time_base * 1000) < first:
                        continue
                    yield rgb_from_picture(repack(picture), self.facts.colour)
                    left -= 1
                    if not left:
                        return
        except av.error.FFmpegError as error:
            raise ItemError(f"{self.path.name}: frame {numbers[-left]} cannot be read ({error.strerror})") from None
        raise ItemError(f"{self.path.name}: frame {numbers[-left]} is missing; verify the workspace")


def _fixity_times(text: str) -> Iterator[int]:
    for row in text.splitlines():
        fields = row.split(",")
        if not row.startswith("#") and fields[0].strip() == "0":
            try:
                yield int(fields[2])
            except (IndexError, ValueError):
                raise ItemError(f"the framemd5 has a damaged row ({row!r}); verify the workspace") from None


def _packet_times(path: Path) -> list[int]:
    with open_video(path) as container:
        stream = video_stream(container, path.name)
        return sorted(round(p.pts * p.time_base * 1000) for p in demux(container, stream) if p.size)


@contextmanager
def local_file(storage: Storage, name: str, scratch: Path) -> Iterator[Path]:
    """Lend a file of a storage as a local one: itself, or a download that is removed at the end.

    Raises:
        FileNotFoundError: if it is not there.
    """
    with ExitStack() as stack:
        path = Path(storage.path(name))
        if not storage.is_local:
            path = scratch / PurePosixPath(name).name
            stack.callback(path.unlink, missing_ok=True)
            storage.download(name, path)
        elif not path.exists():
            raise FileNotFoundError(path)
        yield path
