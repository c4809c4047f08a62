"""Clips of real motion, cut out of a film."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from stages.contract import ItemError
from stages.media.probe import open_video, video_stream

SCALES = (2 / 3, 3 / 4)
"""Shrinking hides most of what the film's own compression has done."""
HELD_OUT_PERIOD = 20


def film_clips(
    path: Path, size: int, frames: int, every: int, seed: int
) -> Iterator[tuple[Tensor, dict[str, Any], bool]]:
    """Walk through a film once and cut a clip at every ``every``-th frame, unless a cut or a still part is in the way.

    Args:
        path: the film.
        size: side of the clips in pixels.
        frames: frames in each; of two alone a cut cannot be told from motion.
        every: distance between the starts of clips, in frames; at least ``frames``.
        seed: of the choice of scale and place.

    Yields:
        ``[frames, 3, size, size]`` uint8, where it is from (JSON-compatible), and whether it is held out for
        validation: the last tenth of each ``HELD_OUT_PERIOD`` clips is.

    Raises:
        ItemError: if it is no video, its frames are too small for such clips, or change their size.
        av.error.FFmpegError: where it cannot be decoded any further.
    """
    held: list[Tensor] = []
    with open_video(path) as container:
        stream = video_stream(container, path.name)
        stream.thread_type = "AUTO"
        _check_shape(stream, size)
        shape = (stream.height, stream.width)
        for index, frame in enumerate(container.decode(stream)):
            place = index % every
            if (frame.height, frame.width) != shape:
                raise ItemError(f"frame {index} is {frame.width}x{frame.height}, those before {shape[1]}x{shape[0]}")
            if place < frames:
                held.append(torch.from_numpy(frame.to_ndarray(format="rgb24")).permute(2, 0, 1))
            if place == frames - 1:
                number = index // every
                clip = _cut(torch.stack(held), size, torch.Generator().manual_seed(seed * 1_000_003 + number))
                if clip is not None:
                    held_out = number % HELD_OUT_PERIOD >= HELD_OUT_PERIOD * 0.9
                    yield clip, {"film": path.name, "first_frame": index - frames + 1}, held_out
            if place >= frames - 1:
                held.clear()


def check_room(path: Path, size: int) -> None:
    """See that clips of ``size`` pixels can be cut out of a film, without decoding any of it.

    Raises:
        ItemError: if it is no video, or its frames are too small.
        av.error.FFmpegError: if it cannot be read.
    """
    with open_video(path) as container:
        _check_shape(video_stream(container, path.name), size)


def _check_shape(stream: Any, size: int) -> None:
    if round(min(stream.height, stream.width) * min(SCALES)) < size:
        raise ItemError(f"{stream.width}x{stream.height} is too small for clips of {size} pixels")


def _cut(film: Tensor, size: int, generator: torch.Generator) -> Tensor | None:
    """Shrink ``[T, 3, H, W]`` uint8 and crop the liveliest of a few places; None if there is nothing to learn from."""
    small = functional.interpolate(film.float(), scale_factor=0.125, mode="area") / 255
    steps = (small[1:] - small[:-1]).abs().mean((1, 2, 3))
    if float(steps.max()) > 0.08 and float(steps.max()) > 3 * float(steps.median()):
        return None  # a cut
    scale = SCALES[int(torch.randint(len(SCALES), (), generator=generator))]
    shape = [round(side * scale) for side in film.shape[-2:]]
    shrunk = functional.interpolate(film.float(), shape, mode="bicubic", antialias=True).round().clamp(0, 255)
    best, best_score = None, 0.006
    for _ in range(3):
        top, left = (int(torch.randint(side - size + 1, (), generator=generator)) for side in shape)
        clip = shrunk[:, :, top : top + size, left : left + size]
        detail = (clip[0, :, :, 1:] - clip[0, :, :, :-1]).abs().mean() / 255
        change = (clip[-1] - clip[0]).abs().mean() / 255
        score = float(torch.minimum(detail, change * 2 + 0.004))
        if score > best_score:
            best, best_score = clip, score
    return None if best is None else best.to(torch.uint8).contiguous()
