"""Which frames a page shows, and pictures as text that stands in the page itself."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite

import cv2
import numpy as np
from numpy.typing import NDArray

from evaluation.consistency import resize
from report.measuring import FrameFigures
from report.shots import Shot, evenly

THUMBNAIL_WIDTH = 160
OTHER = "in between"
LOSSLESS = 100
"""The quality that keeps every bit of an 8-bit picture."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A frame of the strip and why it is there, in words."""

    frame: int
    shot: int
    why: tuple[str, ...]


def choose(shots: Sequence[Shot], figures: FrameFigures, count: int) -> list[Choice]:
    """The frames to look at, in order: the worst by each measure, at seams, middles and borders of shots, and others.

    Args:
        shots: of the video.
        figures: of the measured frames; may be empty.
        count: at most so many.
    """
    reasons: dict[int, list[str]] = {}
    for frame, why in _wanted(shots, figures, count):
        if frame in reasons or len(reasons) < count:
            known = reasons.setdefault(frame, [])
            if why not in known and not (known and why == OTHER):
                known.append(why)
    chosen = []
    for frame in sorted(reasons):
        shot = next(shot.number for shot in shots if shot.start <= frame < shot.stop)
        chosen.append(Choice(frame, shot, tuple(reasons[frame])))
    return chosen


def _wanted(shots: Sequence[Shot], figures: FrameFigures, count: int) -> Iterator[tuple[int, str]]:
    if figures.numbers:
        yield figures.numbers[int(np.argmin(figures.consistency))], "furthest from its input"
        gained = [error - other for error, other in zip(figures.warping, figures.input_warping, strict=True)]
        if any(map(isfinite, gained)):
            yield figures.numbers[int(np.nanargmax(gained))], "least calm"
    seams = [first for shot in shots for first, _ in shot.seams]
    for frame in evenly(seams, max(1, count // 4)):
        yield frame, "seam"
    room = max(1, count - 2 - max(1, count // 4) * bool(seams))
    for shot in evenly(range(len(shots)), min(room, len(shots))):
        yield (shots[shot].start + shots[shot].stop) // 2, "middle of the shot"
    spare = max(0, room - len(shots))
    for frame in evenly([frame for shot in shots for frame in (shot.start, shot.stop - 1)], min(spare, 2 * len(shots))):
        yield frame, "border of the shot"
    if shots:
        for frame in evenly(range(shots[0].start, shots[-1].stop), 2 * count):
            yield frame, OTHER


def eight_bits(rgb: NDArray[np.float32]) -> NDArray[np.uint8]:
    """R'G'B' ``[h, w, 3]`` in [0, 1] -> 8 bits, rounded."""
    return (np.clip(rgb, 0, 1) * 255).round().astype(np.uint8)


def data_url(rgb: NDArray[np.uint8], quality: int = LOSSLESS) -> str:
    """A picture ``[h, w, 3]`` as WebP in a ``data:`` URL; ``LOSSLESS`` loses nothing.

    WebP ends at 16383 pixels a side; larger pictures become PNG.
    """
    kind, options = "webp", [cv2.IMWRITE_WEBP_QUALITY, 101 if quality >= LOSSLESS else quality]
    if max(rgb.shape[:2]) > 16383:
        kind, options = "png", []
    written, data = cv2.imencode(f".{kind}", np.ascontiguousarray(rgb[..., ::-1]), options)
    if not written:
        raise ValueError(f"a picture of {rgb.shape[1]}x{rgb.shape[0]} cannot be encoded as {kind}")
    return f"data:image/{kind};base64,{base64.b64encode(data.tobytes()).decode()}"


def thumbnail(rgb: NDArray[np.float32]) -> str:
    """A small picture of a frame, for the strip."""
    height = max(1, round(rgb.shape[0] * THUMBNAIL_WIDTH / rgb.shape[1]))
    return data_url(eight_bits(resize(rgb, (height, THUMBNAIL_WIDTH))), 80)
