"""The noise of one chunk's frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from models.noise import frame_noise


@dataclass(frozen=True, slots=True)
class ChunkNoise:
    """Noise by frame and step. Of equal shape it is equal: it does not know which tile it is for.

    Attributes:
        seed: of the run.
        video: identity of the video.
        first: number of the chunk's first frame within the video.
        period: None: every frame of the video has noise of its own. Else the noise repeats after so many frames of
            the chunk: with the length of a window, all windows have the same, as published wherever the canvas is cut
            into pixel tiles: the seed is set anew for each tile of each window (golden README, "Segments").
    """

    seed: int
    video: str
    first: int
    period: int | None = None

    def __call__(self, offset: int, step: int | str, shape: Sequence[int]) -> Tensor:
        """Standard normal noise, float32 on the CPU.

        Args:
            offset: number of the frame within the chunk; one past its end for each repetition of the last frame.
            step: number of the executed step, or a word: which draw.
            shape: of the result.
        """
        frame = self.first + offset if self.period is None else offset % self.period
        return frame_noise(self.seed, self.video, frame, step, shape)
