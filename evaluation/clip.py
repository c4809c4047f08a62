"""Clips as streams of frames, and several clips frame by frame beside each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from stages.contract import ItemError
from stages.media.ffv1 import repack
from stages.media.frames import rgb_from_picture
from stages.media.probe import VideoFacts, open_video, probe

Rgb = NDArray[np.float32]
"""A frame ``[h, w, 3]`` in [0, 1]."""


@dataclass(frozen=True, slots=True)
class Clip:
    """A video file that is only read.

    Attributes:
        path: the file.
        facts: what its headers say.
    """

    path: Path
    facts: VideoFacts

    @classmethod
    def open(cls, path: Path) -> Clip:
        """Probe a file.

        Raises:
            ItemError: it is missing, empty or no video.
        """
        return cls(path, probe(path))

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in samples."""
        return self.facts.height, self.facts.width

    def frames(self) -> Iterator[Rgb]:
        """The frames in order of presentation, decoded as they are asked for.

        Raises:
            ItemError: a frame cannot be decoded, or has another size than the first.
        """
        name, decoded = self.path.name, 0
        with open_video(self.path) as container:
            stream = container.streams[self.facts.index]
            stream.thread_type = "SLICE"
            try:
                for picture in container.decode(stream):
                    if (picture.height, picture.width) != self.size:
                        raise ItemError(f"{name}: frame {decoded} has another size than the first; cut the clip there")
                    decoded += 1
                    yield rgb_from_picture(repack(picture), self.facts.colour)
            except av.error.FFmpegError as error:
                raise ItemError(f"{name}: breaks off after {decoded} frames ({error.strerror}); is it whole?") from None
        if decoded == 0:
            raise ItemError(f"{name}: holds no frame that can be decoded")


def check_sizes(reference: Clip, restored: Clip, low: Clip | None) -> None:
    """See that the clips can be compared at all, before anything is decoded.

    Raises:
        ItemError: reference and restored differ in size, or the low-resolution clip is larger in a direction.
    """
    if reference.size != restored.size:
        raise ItemError(
            f"{restored.path.name} is {_size(restored)}, but {reference.path.name} is {_size(reference)}; "
            "give a reference of the restored size"
        )
    if low is not None and (low.size[0] > restored.size[0] or low.size[1] > restored.size[1]):
        raise ItemError(f"{low.path.name} is {_size(low)}, larger than {restored.path.name} with {_size(restored)}")


def _size(clip: Clip) -> str:
    return f"{clip.facts.width}x{clip.facts.height}"


def side_by_side(clips: Sequence[Clip], limit: int | None = None) -> Iterator[tuple[Rgb, ...]]:
    """Frame i of every clip, for every i; one frame of each is in memory.

    Args:
        clips: at least one.
        limit: stop after this many frames; None goes to the end.

    Raises:
        ItemError: the clips differ in length (not looked at past ``limit``), or one cannot be decoded.
    """
    streams = [clip.frames() for clip in clips]
    for number in range(limit) if limit is not None else count():
        frames = [next(stream, None) for stream in streams]
        present = tuple(frame for frame in frames if frame is not None)
        if len(present) < len(frames):
            if present:
                lengths = [
                    number if frame is None else number + 1 + sum(1 for _ in stream)
                    for frame, stream in zip(frames, streams, strict=True)
                ]
                raise ItemError(_unequal(clips, lengths))
            return
        yield present


def _unequal(clips: Sequence[Clip], lengths: Sequence[int]) -> str:
    told = ", ".join(f"{clip.path.name} has {length}" for clip, length in zip(clips, lengths, strict=True))
    return f"the clips differ in their number of frames: {told}; compare clips of the same frames"
