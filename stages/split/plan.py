"""Which frames make which chunk. Knows nothing of pixels and never looks ahead by more than one frame."""

from __future__ import annotations

from collections.abc import Iterable

from stages.items import Chunk


class ChunkPlanner:
    """Cuts a growing row of frames into chunks.

    Every chunk lies within one shot and has at most ``chunk_frames`` frames. The last ``overlap`` frames of a chunk are
    the first of the next one, if that belongs to the same shot. So every frame is in the core of one chunk, or shared
    by exactly two neighbours. A chunk is known as soon as its shot is known to end or to go on after it.
    """

    def __init__(self, video: str, chunk_frames: int, overlap: int) -> None:
        if chunk_frames <= 2 * overlap or overlap < 0:
            raise ValueError(f"chunks of {chunk_frames} frames cannot overlap by {overlap} on both sides")
        self._video = video
        self._chunk_frames = chunk_frames
        self._overlap = overlap
        self._index = 0
        self._shot = 0
        self._start = 0
        self._head = 0
        self._next = 0

    @property
    def needed_from(self) -> int:
        """The first frame that a chunk still to come will hold; earlier ones can be forgotten."""
        return self._start

    def add(self, cut: bool) -> Chunk | None:
        """Append one frame; ``cut`` says that it begins a new shot. Returns the chunk that this completes, if any."""
        number, self._next = self._next, self._next + 1
        if number == 0:
            return None
        if cut:
            chunk = self._emit(number, tail=0)
            self._shot += 1
            self._start, self._head = number, 0
            return chunk
        if number - self._start == self._chunk_frames:
            chunk = self._emit(number, tail=self._overlap)
            self._start, self._head = number - self._overlap, self._overlap
            return chunk
        return None

    def finish(self) -> Chunk | None:
        """End the video. Returns its last chunk, or None if there was no frame."""
        return self._emit(self._next, tail=0) if self._next else None

    def _emit(self, stop: int, tail: int) -> Chunk:
        chunk = Chunk(self._video, self._index, self._shot, self._start, stop, self._head, tail)
        self._index += 1
        return chunk


def plan_video(video: str, shots: Iterable[int], chunk_frames: int, overlap: int) -> list[Chunk]:
    """The chunks of a video whose shots have these lengths in frames (each at least 1)."""
    planner = ChunkPlanner(video, chunk_frames, overlap)
    chunks = [planner.add(cut=frame == 0) for length in shots for frame in range(length)]
    return [chunk for chunk in [*chunks, planner.finish()] if chunk is not None]
