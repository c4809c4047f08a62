"""The samples of a decoded picture as numpy arrays, component by component, and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import av
import numpy as np
from numpy.typing import NDArray

_PACKED = {"bgr0": (4, (2, 1, 0)), "bgra": (4, (2, 1, 0)), "ya8": (2, (0,))}
"""Formats of FFV1 with several components to a plane: samples to a pixel, and where R, G, B or Y lie in it."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How a pixel format lays its components out.

    Attributes:
        bits: bits per sample of the first component.
        factors: luma columns and rows per chroma sample, (1, 1) without subsampling.
        components: how many carry colour: 1 grey, 3 otherwise; alpha does not count.
    """

    bits: int
    factors: tuple[int, int]
    components: int


def layout(pix_fmt: str) -> Layout:
    """The layout of a pixel format that FFV1 holds."""
    fmt = av.VideoFormat(pix_fmt, 16, 16)
    factors = (16 // fmt.chroma_width(16), 16 // fmt.chroma_height(16))
    return Layout(fmt.components[0].bits, factors, 1 if len(fmt.components) < 3 else 3)


def _samples(plane: object, height: int, line_size: int, dtype: type[np.generic]) -> NDArray[np.generic]:
    return np.frombuffer(memoryview(plane), dtype).reshape(height, line_size // np.dtype(dtype).itemsize)  # type: ignore[arg-type]


def components(frame: av.VideoFrame) -> tuple[NDArray[np.generic], ...]:
    """Views of the samples of Y, Cb, Cr, of R, G, B or of Y alone: uint8 or uint16 [h, w], chroma at its own size.

    The views share memory with ``frame`` and are writable.
    """
    name = frame.format.name
    if name in _PACKED:
        step, places = _PACKED[name]
        pixels = _samples(frame.planes[0], frame.height, frame.planes[0].line_size, np.uint8)
        return tuple(pixels[:, place : step * frame.width : step] for place in places)
    dtype = np.uint8 if frame.format.components[0].bits <= 8 else np.uint16
    count = layout(name).components
    planes = frame.planes
    return tuple(
        _samples(planes[each.plane], each.height, planes[each.plane].line_size, dtype)[:, : each.width]
        for each in frame.format.components[:count]
    )


def frame_of(arrays: Sequence[NDArray[np.generic]], pix_fmt: str, width: int, height: int) -> av.VideoFrame:
    """A picture of a planar ``pix_fmt`` with the samples ``arrays``, in the order of ``components``."""
    frame = av.VideoFrame(width, height, pix_fmt)
    for target, array in zip(components(frame), arrays, strict=True):
        target[...] = array
    return frame
