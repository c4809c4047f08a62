"""A picture to judge by: a frame of the input enlarged bicubically beside the same moment restored."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from stages.media.probe import open_video

_GAP = 8
_BAND = 36


def side_by_side(source: Path, restored: Path, picture: Path, frame: int) -> None:
    """Write ``picture`` (PNG): a frame of ``source`` enlarged bicubically | the one of ``restored`` at the same time.

    At the same time, not of the same number: where 3:2 pulldown was undone, four frames are left of five.

    Args:
        source: the input.
        restored: what was made of it.
        picture: the file to write.
        frame: number of the frame of ``restored``.

    Raises:
        ItemError: if one of the videos cannot be opened.
        ValueError: if there is no such frame, or the source has none at all.
    """
    right, time = _frame(restored, frame)
    height, width = right.shape[:2]
    left = cv2.resize(_frame_at(source, time), (width, height), interpolation=cv2.INTER_CUBIC)
    canvas = np.full((height + _BAND, 2 * width + _GAP, 3), 255, np.uint8)
    canvas[_BAND:, :width], canvas[_BAND:, width + _GAP :] = left, right
    for text, x in (("input, enlarged bicubically", 8), ("restored", width + _GAP + 8)):
        cv2.putText(canvas, text, (x, 25), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (0, 0, 0), 1, cv2.LINE_AA)
    cv2.imwrite(str(picture), canvas)


def _frame(video: Path, number: int) -> tuple[np.ndarray, Fraction]:
    """A frame by its number, and when it is shown."""
    for index, (frame, time) in enumerate(_frames(video)):
        if index == number:
            return np.asarray(frame.to_ndarray(format="bgr24")), time
    raise ValueError(f"{video}: has no frame {number}")


def _frame_at(video: Path, wanted: Fraction) -> np.ndarray:
    """The frame that is shown nearest to a time."""
    nearest: tuple[Fraction, av.VideoFrame] | None = None
    for frame, time in _frames(video):
        if nearest is not None and nearest[0] <= abs(time - wanted):
            break
        nearest = abs(time - wanted), frame
    if nearest is None:
        raise ValueError(f"{video}: has no frames")
    return np.asarray(nearest[1].to_ndarray(format="bgr24"))


def _frames(video: Path) -> Iterator[tuple[av.VideoFrame, Fraction]]:
    with open_video(video) as container:
        for frame in container.decode(video=0):
            yield frame, Fraction(frame.pts or 0) * Fraction(frame.time_base or 0)
