"""Where shots begin: PySceneDetect's detectors, fed one frame at a time."""

from __future__ import annotations

from collections import deque
from typing import Any

import av
import numpy as np
from av.video.reformatter import Interpolation
from numpy.typing import NDArray
from scenedetect.common import FrameTimecode
from scenedetect.detector import FlashFilter, SceneDetector
from scenedetect.detectors import AdaptiveDetector, ContentDetector

from stages.split.config import SplitConfig

_WIDTH = 256
"""Frames are judged at this width at most, the size for which PySceneDetect's thresholds are meant."""

_WINDOW = 2
"""Frames on either side that the adaptive detector compares with."""


def _thumbnail(picture: av.VideoFrame) -> NDArray[np.uint8]:
    width = min(_WIDTH, picture.width)
    height = max(1, round(picture.height * width / picture.width))
    flags = Interpolation.AREA | Interpolation.ACCURATE_RND | Interpolation.BITEXACT
    small = picture.reformat(width, height, "bgr24", interpolation=flags, threads=1)
    return np.asarray(small.to_ndarray(), np.uint8)


def _detector(config: SplitConfig) -> tuple[SceneDetector, int]:
    if config.detector == "content":
        mode = FlashFilter.Mode.SUPPRESS
        return ContentDetector(config.cut_threshold, min_scene_len=config.min_shot_frames, filter_mode=mode), 0
    return (
        AdaptiveDetector(config.cut_threshold, min_scene_len=config.min_shot_frames, window_width=_WINDOW),
        _WINDOW,
    )


class CutFinder:
    """Says of each frame whether it begins a shot, a few frames after it has seen it.

    The first and last frame are repeated for the detector's window, so that cuts near the ends are found too.
    """

    def __init__(self, config: SplitConfig) -> None:
        self._detector: SceneDetector | None = None
        self._behind = 0
        if config.detect_cuts:
            self._detector, self._behind = _detector(config)
        self._position = 0
        self._undecided: deque[int] = deque()
        self._cuts: set[int] = set()
        self._last: Any = None

    def _feed(self, image: NDArray[np.uint8]) -> None:
        assert self._detector is not None
        found = self._detector.process_frame(FrameTimecode(self._position, fps=25.0), image)
        self._cuts.update(int(cut.frame_num) - self._behind for cut in found)
        self._position += 1

    def add(self, picture: av.VideoFrame) -> list[bool]:
        """Judge one more frame. Returns the verdicts that are final now, oldest frame first, each frame's once."""
        if self._detector is None:
            return [False]
        image = _thumbnail(picture)
        for _ in range(self._behind if self._last is None else 0):
            self._feed(image)
        self._undecided.append(self._position - self._behind)
        self._feed(image)
        self._last = image
        return self._settle(self._behind)

    def finish(self) -> list[bool]:
        """The verdicts that are still due."""
        if self._last is not None:
            for _ in range(self._behind):
                self._feed(self._last)
        return self._settle(0)

    def _settle(self, keep: int) -> list[bool]:
        count = max(0, len(self._undecided) - keep)
        frames = [self._undecided.popleft() for _ in range(count)]
        verdicts = [frame in self._cuts for frame in frames]
        self._cuts.difference_update(frames)
        return verdicts
