"""A picture to judge by: a frame of the input enlarged bicubically beside the same frame restored."""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np

_GAP = 8
_BAND = 36


def side_by_side(source: Path, restored: Path, picture: Path, frame: int) -> None:
    """Write ``picture`` (PNG): frame number ``frame`` of ``source`` enlarged bicubically | that of ``restored``.

    Raises:
        ValueError: if one of the videos has no such frame.
    """
    right = _frame(restored, frame)
    height, width = right.shape[:2]
    left = cv2.resize(_frame(source, frame), (width, height), interpolation=cv2.INTER_CUBIC)
    canvas = np.full((height + _BAND, 2 * width + _GAP, 3), 255, np.uint8)
    canvas[_BAND:, :width], canvas[_BAND:, width + _GAP :] = left, right
    for text, x in (("input, enlarged bicubically", 8), ("restored", width + _GAP + 8)):
        cv2.putText(canvas, text, (x, 25), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (0, 0, 0), 1, cv2.LINE_AA)
    cv2.imwrite(str(picture), canvas)


def _frame(video: Path, number: int) -> np.ndarray:
    with av.open(str(video)) as container:
        for index, frame in enumerate(container.decode(video=0)):
            if index == number:
                return np.asarray(frame.to_ndarray(format="bgr24"))
    raise ValueError(f"{video}: has no frame {number}")
