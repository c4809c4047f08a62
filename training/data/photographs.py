"""Photo-motion clips: a photograph, or two layers of them, seen by a moving camera."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import torch
from torch import Tensor

from training.data.motion import MARGIN, draw_motion, draw_shape, render
from training.optics import chance

# Camera pictures are soft at full size (colour filter array, JPEG): a quarter to a half of it is sharp at every pixel.
SCALES = (0.5, 0.35, 0.25, 0.18)
SMALL = 1024
LAYER_SIDE = 420
"""Side of the layer in front, if the clips are no larger than 256 pixels."""
LAYER_ROOM = 164
"""By how much a layer is larger than larger clips, so that it can move as far before them."""


@dataclass(frozen=True)
class Photograph:
    """A photograph at several sizes.

    Attributes:
        name: of its file.
        levels: ``[3, H, W]`` uint8 RGB.
    """

    name: str
    levels: tuple[Tensor, ...]


def read_photograph(path: Path, name: str, size: int) -> Photograph:
    """Read a picture and shrink it to the sizes that still have room for a view of ``size`` pixels.

    Raises:
        ValueError: for a file that is no picture.
    """
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise ValueError(f"{path}: not a picture that can be read")
    height, width = image.shape[:2]
    scales = SCALES if max(height, width) > SMALL else (1.0,)
    levels = []
    for scale in scales:
        shape = (round(width * scale), round(height * scale))
        if min(shape) >= size + 2 * (MARGIN + 1) + 8:
            shrunk = image if scale == 1.0 else cv2.resize(image, shape, interpolation=cv2.INTER_AREA)
            levels.append(torch.from_numpy(cv2.cvtColor(shrunk, cv2.COLOR_BGR2RGB)).permute(2, 0, 1).contiguous())
    return Photograph(name, tuple(levels))


def photo_clip(
    photographs: Sequence[Photograph], size: int, frames: int, generator: torch.Generator
) -> tuple[Tensor, dict[str, Any]]:
    """Make one clip.

    Args:
        photographs: what to choose from; at least one.
        size: side in pixels.
        frames: their number.
        generator: makes all choices.

    Returns:
        ``[frames, 3, size, size]`` uint8 and what was done (photographs, motions), JSON-compatible.
    """
    name, level = _choose(photographs, generator)
    shutter = 0.5 if chance(0.25, generator) else 0.0
    wanted = draw_motion(generator)
    clip, motion = render(level, wanted, size, frames, generator, shutter)
    for _ in range(5):
        if (sharpness := _sharpness(clip)) > 0.03:
            break
        # Clear sky and what lies out of focus teach little: look elsewhere, keep the sharper view.
        name_again, level = _choose(photographs, generator)
        again, motion_again = render(level, wanted, size, frames, generator, shutter)
        if _sharpness(again) > sharpness:
            clip, motion, name = again, motion_again, name_again
    record: dict[str, Any] = {"photograph": name, "motion": asdict(motion), "shutter": shutter}
    if chance(0.35, generator):
        near_name, near = _choose(photographs, generator)
        side = min(max(LAYER_SIDE, size + LAYER_ROOM), *near.shape[-2:])
        top = int(torch.randint(near.shape[-2] - side + 1, (), generator=generator))
        left = int(torch.randint(near.shape[-1] - side + 1, (), generator=generator))
        layer = torch.cat((near[:, top : top + side, left : left + side], draw_shape(side, generator)))
        moving, near_motion = render(layer, draw_motion(generator), size, frames, generator, shutter)
        clip = clip + moving[:, 3:] * (moving[:, :3] - clip)
        record |= {"near": near_name, "near_motion": asdict(near_motion)}
    return (clip * 255).round().clamp(0, 255).to(torch.uint8), record


def _choose(photographs: Sequence[Photograph], generator: torch.Generator) -> tuple[str, Tensor]:
    """A photograph at one of its sizes, as floats; larger ones are chosen more often."""
    weights = torch.tensor([float(len(photograph.levels)) for photograph in photographs])
    photograph = photographs[int(torch.multinomial(weights, 1, generator=generator))]
    level = photograph.levels[int(torch.randint(len(photograph.levels), (), generator=generator))]
    return photograph.name, level.float() / 255


def _sharpness(clip: Tensor) -> float:
    """Mean magnitude of the Laplacian of the middle frame ``[frames, C, h, w]`` in [0, 1]."""
    frame = clip[len(clip) // 2].mean(0)
    across = frame[1:-1, 2:] + frame[1:-1, :-2] + frame[2:, 1:-1] + frame[:-2, 1:-1]
    return float((across - 4 * frame[1:-1, 1:-1]).abs().mean())
