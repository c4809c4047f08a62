"""The typed, frozen items that pass between stages: references and small facts, never frames."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, order=True)
class Chunk:
    """Consecutive frames of one shot: the unit of scheduling, retry and resume.

    Frame numbers count the video's frames in presentation order from 0; ranges are half-open.

    Attributes:
        video: identity of the video: the first 16 hex digits of its content's SHA-256.
        index: number of the chunk within the video, in order of ``start``.
        shot: number of the shot within the video.
        start: first frame, shared with the previous chunk of the shot if ``head`` > 0.
        stop: one past the last frame.
        head: how many of the first frames the previous chunk of the shot restores too.
        tail: how many of the last frames the next chunk of the shot restores too.
    """

    video: str
    index: int
    shot: int
    start: int
    stop: int
    head: int = 0
    tail: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.stop or self.head < 0 or self.tail < 0 or self.head + self.tail > len(self):
            raise ValueError(f"not a chunk: {self}")

    def __len__(self) -> int:
        return self.stop - self.start

    @property
    def core(self) -> range:
        """The frames that this chunk alone restores."""
        return range(self.start + self.head, self.stop - self.tail)


@dataclass(frozen=True, slots=True)
class SplitTask:
    """Cut one video into chunks.

    Attributes:
        video: identity of the video (see ``Chunk.video``).
        source: the video, a local file; only ever read.
        output: an empty folder; each chunk's files go into a folder of their own below it.
        wanted: asked before a chunk's files are kept; ``False`` means that they exist already.
    """

    video: str
    source: Path
    output: Path
    wanted: Callable[[Chunk], bool] = lambda chunk: True


@dataclass(frozen=True, slots=True)
class SplitChunk:
    """One chunk that split has finished: ``folder`` holds its files, or is None if they were not wanted."""

    chunk: Chunk
    folder: Path | None


@dataclass(frozen=True, slots=True)
class ChunkTask:
    """Take one chunk through flow, sample or decode.

    Attributes:
        chunk: which frames.
        inputs: stage name -> folder with the files that stage wrote for this chunk.
        output: an empty folder for the files of this stage.
    """

    chunk: Chunk
    inputs: Mapping[str, Path]
    output: Path


@dataclass(frozen=True, slots=True)
class AssembleTask:
    """Join all chunks of one video and publish nothing yet: files are written into ``output``.

    Attributes:
        video: identity of the video.
        source: the video as given, a local file; audio and metadata are copied from it.
        name: file name of the result without its suffix.
        chunks: all chunks of the video, in order of ``index``.
        split: for each chunk the folder that split wrote (timestamps, format).
        decode: for each chunk the folder that decode wrote (segment, overlaps).
        output: an empty folder: ``name.mkv`` and its sidecars go there.
        tags: written into the file beside those of the source.
    """

    video: str
    source: Path
    name: str
    chunks: tuple[Chunk, ...]
    split: tuple[Path, ...]
    decode: tuple[Path, ...]
    output: Path
    tags: Mapping[str, str] = field(default_factory=dict)
