"""How a clean clip becomes the input of restoration by 4: clean, degraded as on the web, or damaged as in an archive.

Seeded: the same generator gives the same clip.
"""

from __future__ import annotations

from enum import StrEnum

import torch
from torch import Tensor
from torch.nn import functional

from training import archive, optics
from training.codecs import video_codec
from training.optics import chance, uniform

SCALE = 4


class Degradation(StrEnum):
    """The kinds."""

    clean = "clean"
    real_world = "real_world"
    archive = "archive"


def degrade(frames: Tensor, kind: Degradation, generator: torch.Generator) -> Tensor:
    """Make the low-resolution input of a clip.

    Args:
        frames: ``[T, 3, H, W]`` in [0, 1], both sides multiples of 4.
        kind: ``clean`` shrinks with an antialiased bicubic filter and nothing else.
        generator: all that is random is drawn from it.

    Returns:
        ``[T, 3, H / 4, W / 4]`` in [0, 1], whole multiples of 1 / 255.

    Raises:
        ValueError: for sides that do not divide by 4.
    """
    height, width = frames.shape[-2:]
    if height % SCALE or width % SCALE:
        raise ValueError(f"frames of {width}x{height} cannot be shrunk by {SCALE}")
    size = (height // SCALE, width // SCALE)
    if kind is Degradation.clean:
        low = shrink(frames, size)
    elif kind is Degradation.real_world:
        low = _real_world(frames, size, generator)
    else:
        low = _archive(frames, size, generator)
    return (low.clamp(0, 1) * 255).round() / 255


def shrink(frames: Tensor, size: tuple[int, int]) -> Tensor:
    """Antialiased bicubic."""
    return functional.interpolate(frames, size, mode="bicubic", antialias=True, align_corners=False)


def _real_world(frames: Tensor, size: tuple[int, int], generator: torch.Generator) -> Tensor:
    """Blur, resize, noise and JPEG, twice (Real-ESRGAN, section 3.3), with the second resize ending at ``size``.

    Half of the clips end as the stream of a video codec in the place of the second JPEG.
    """
    x = optics.blur(frames, generator, strongest=3.0)
    middle = uniform(1.0, 3.0, generator)
    x = optics.resize(x, (round(size[0] * middle), round(size[1] * middle)), generator)
    x = optics.sensor_noise(x, generator, strongest=0.08)
    x = optics.jpeg(x, uniform(35, 95, generator))
    if chance(0.7, generator):
        x = optics.blur(x, generator, strongest=1.2)
    x = optics.resize(x, size, generator)
    if chance(0.7, generator):
        x = optics.sensor_noise(x, generator, strongest=0.04)
    if chance(0.5, generator):
        return video_codec(x, generator)
    return optics.jpeg(x, uniform(40, 95, generator))


def _archive(frames: Tensor, size: tuple[int, int], generator: torch.Generator) -> Tensor:
    """Film, then tape, then a capture, compressed as a video or as pictures; each step may be missing."""
    x = optics.blur(frames, generator, strongest=2.5)
    x = shrink(x, size)
    if chance(0.5, generator):
        x = archive.grain(x, generator)
    if chance(0.35, generator):
        x = archive.dust_and_scratches(x, generator)
    if chance(0.4, generator):
        x = archive.flicker(x, generator)
    if chance(0.35, generator):
        x = archive.interlace(x, generator)
    if chance(0.75, generator):
        x = archive.tape(x.clamp(0, 1), generator)
    if chance(0.4, generator):
        return video_codec(x, generator)
    return optics.jpeg(x, uniform(45, 98, generator)) if chance(0.5, generator) else x
