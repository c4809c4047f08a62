"""The temporal profile: one row of pixels over time, the quickest way to see flicker, jitter and seams.

Source: the usual figure of video restoration papers (MGLD-VSR, arXiv 2312.00853, figure 5). Each line of the picture is
the same row of one frame; what moves steadily draws smooth curves, flicker draws horizontal bands, and a seam a break
across the whole width.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from evaluation.consistency import resize
from stages.contract import ItemError

_GAP = 8
_BAND = 28


class TemporalProfile:
    """Gathers the row frame by frame; strips of input, restored and reference lie beside each other in the picture.

    Args:
        row: which row of the restored frame, counted from the top.
        longest: frames that are drawn; later ones are left out, so that the picture does not grow with the clip.
    """

    def __init__(self, row: int, longest: int = 500) -> None:
        self.row, self._longest = row, longest
        self._strips: dict[str, list[NDArray[np.uint8]]] = {}
        self._frames = 0

    def add(self, named: dict[str, NDArray[np.float32]]) -> None:
        """Add the same frame of all clips, ``[h, w, 3]`` in [0, 1] by name; smaller ones are enlarged bicubically."""
        self._frames += 1
        if self._frames > self._longest:
            return
        sizes = [(frame.shape[0], frame.shape[1]) for frame in named.values()]
        size = max(sizes)
        for name, frame in named.items():
            line = resize(frame, size)[self.row]
            self._strips.setdefault(name, []).append((np.clip(line, 0, 1) * 255).round().astype(np.uint8))

    def strips(self) -> dict[str, NDArray[np.uint8]]:
        """What was gathered of each clip: ``[frames, w, 3]``, R'G'B', by name."""
        return {name: np.stack(lines) for name, lines in self._strips.items()}

    def write(self, path: Path) -> None:
        """Write the picture (PNG), one pixel per column; rows are repeated where there are few frames.

        Raises:
            ItemError: it cannot be written.
        """
        if not self._strips:
            return
        strips = list(self.strips().values())
        height, width = strips[0].shape[:2]
        tall = max(1, round(200 / height))
        canvas = np.full((height * tall + _BAND, len(strips) * (width + _GAP) - _GAP, 3), 255, np.uint8)
        for number, (name, strip) in enumerate(zip(self._strips, strips, strict=True)):
            left = number * (width + _GAP)
            canvas[_BAND:, left : left + width] = strip.repeat(tall, axis=0)
            cv2.putText(canvas, name, (left + 4, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA)
        written, data = cv2.imencode(".png", canvas[..., ::-1])
        if not written:
            raise ItemError(f"{path}: the temporal profile cannot be encoded as PNG; measure fewer frames")
        try:
            path.write_bytes(data.tobytes())
        except OSError as error:
            raise ItemError(f"{path}: cannot be written ({error.strerror}); name another file") from error


def require_place(path: Path) -> None:
    """See that a picture may be written to ``path``, before anybody measures for hours.

    Raises:
        ItemError: if there is no such folder, or a folder is there.
    """
    if path.is_dir():
        raise ItemError(f"{path}: a folder; name a file for the temporal profile")
    if not path.parent.is_dir():
        raise ItemError(f"{path}: there is no folder {path.parent}; make it, or name another file")
