"""Clips with known camera motion, rendered from photographs: pan, zoom, rotation, shake, motion blur, shapes."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from training.optics import chance

MARGIN = 4
"""Pixels around the view that bicubic sampling may reach."""


@dataclass(frozen=True)
class Motion:
    """How a view moves over a photograph; the middle of the clip is time 0, a frame lasts 1.

    Attributes:
        x: velocity to the right in pixels per frame.
        y: velocity downwards.
        bend_x: half the acceleration, pixels per frame squared.
        bend_y: the same, downwards.
        zoom: growth per frame of the logarithm of the scale.
        turn: radians per frame.
        shake: amplitude of a sway at ``shake_frequency`` radians per frame.
        shake_frequency: see ``shake``.
    """

    x: float = 0.0
    y: float = 0.0
    bend_x: float = 0.0
    bend_y: float = 0.0
    zoom: float = 0.0
    turn: float = 0.0
    shake: float = 0.0
    shake_frequency: float = 0.0

    def slower(self, factor: float) -> Motion:
        """The same motion with all speeds multiplied by ``factor``."""
        return replace(self, **{k: v * factor for k, v in asdict(self).items() if k != "shake_frequency"})

    def coordinates(self, time: float, size: int) -> Tensor:
        """Where the view's pixels look at ``time``: ``[size, size, 2]`` (x, y), relative to the view's centre."""
        span = torch.arange(size, dtype=torch.float32) - (size - 1) / 2
        y, x = torch.meshgrid(span, span, indexing="ij")
        scale, angle = math.exp(self.zoom * time), self.turn * time
        cosine, sine = scale * math.cos(angle), scale * math.sin(angle)
        sway = self.shake * math.sin(self.shake_frequency * time)
        shift_x = self.x * time + self.bend_x * time * time + sway
        shift_y = self.y * time + self.bend_y * time * time + self.shake * math.sin(1.7 * self.shake_frequency * time)
        return torch.stack((cosine * x - sine * y + shift_x, sine * x + cosine * y + shift_y), dim=-1)


def draw_motion(generator: torch.Generator) -> Motion:
    """Draw a motion: mostly a few pixels a frame, now and then fast, seldom none."""

    def normal(scale: float) -> float:
        return scale * float(torch.randn((), generator=generator))

    speed = 0.0 if chance(0.06, generator) else math.exp(normal(0.8)) * 4.0
    direction = float(torch.rand((), generator=generator)) * 2 * math.pi
    return Motion(
        x=min(speed, 24.0) * math.cos(direction),
        y=min(speed, 24.0) * math.sin(direction) * 0.7,
        bend_x=normal(0.3) if chance(0.5, generator) else 0.0,
        bend_y=normal(0.3) if chance(0.5, generator) else 0.0,
        zoom=normal(0.008) if chance(0.5, generator) else 0.0,
        turn=normal(0.008) if chance(0.4, generator) else 0.0,
        shake=abs(normal(1.5)) if chance(0.4, generator) else 0.0,
        shake_frequency=0.6 + 2.0 * float(torch.rand((), generator=generator)),
    )


def render(
    photo: Tensor, motion: Motion, size: int, frames: int, generator: torch.Generator, shutter: float = 0.0
) -> tuple[Tensor, Motion]:
    """Render a clip of a view moving over a photograph, from a place drawn so that the view stays inside.

    Args:
        photo: ``[C, H, W]`` float, both sides at least ``size`` + 2 * (``MARGIN`` + 1).
        motion: is slowed down where the photograph is too small for it.
        size: side of the view in pixels.
        frames: number of frames.
        generator: draws the place.
        shutter: part of a frame's duration during which the shutter is open (motion blur); 0 for none.

    Returns:
        ``[frames, C, size, size]`` in the photograph's range, and the motion that was used.
    """
    height, width = photo.shape[-2:]
    if min(height, width) < size + 2 * (MARGIN + 1):
        raise ValueError(f"a photograph of {width}x{height} is too small for a view of {size}x{size}")
    times = [index - (frames - 1) / 2 for index in range(frames)]
    paths = [motion.coordinates(time, size) for time in times]
    while True:
        points = torch.stack(paths)
        low, high = points.amin((0, 1, 2)) - MARGIN - 1, points.amax((0, 1, 2)) + MARGIN + 1
        room = torch.tensor([width - 1, height - 1]) - (high - low)
        if bool((room >= 0).all()):
            break
        motion = motion.slower(0.7) if max(abs(motion.x), abs(motion.y), abs(motion.zoom)) > 1e-3 else Motion()
        paths = [motion.coordinates(time, size) for time in times]
    centre = torch.rand(2, generator=generator) * room - low
    steps = 1 if shutter == 0.0 else 7
    clip = []
    for time in times:
        exposed = [
            _sample(photo, motion.coordinates(time + shutter * (step / steps - 0.5 + 0.5 / steps), size) + centre)
            for step in range(steps)
        ]
        clip.append(torch.stack(exposed).mean(0))
    return torch.stack(clip), motion


def _sample(photo: Tensor, coordinates: Tensor) -> Tensor:
    """Bicubic samples of ``photo`` ``[C, H, W]`` at pixel ``coordinates`` ``[h, w, 2]``, not exceeding its range."""
    height, width = photo.shape[-2:]
    left, top = (int(v) for v in (coordinates.amin((0, 1)) - MARGIN).floor().clamp(min=0))
    right, bottom = (int(v) + 1 for v in (coordinates.amax((0, 1)) + MARGIN).ceil())
    patch = photo[:, top : min(bottom, height), left : min(right, width)]
    size = torch.tensor([patch.shape[2] - 1, patch.shape[1] - 1])
    grid = (coordinates - torch.tensor([left, top])) * (2.0 / size) - 1.0
    sampled = functional.grid_sample(
        patch[None], grid[None], mode="bicubic", padding_mode="border", align_corners=True
    )[0]
    return sampled.clamp(0.0, 1.0)


def draw_shape(size: int, generator: torch.Generator) -> Tensor:
    """A soft-edged random shape that covers a fifth to a half of ``[1, size, size]``: 1 inside, 0 outside."""
    cells = int(torch.randint(3, 8, (), generator=generator))
    noise = torch.rand(1, 1, cells, cells, generator=generator)
    field = functional.interpolate(noise, (size, size), mode="bicubic", align_corners=False)[0]
    share = 0.5 + 0.3 * float(torch.rand((), generator=generator))
    threshold = field.flatten().kthvalue(int(share * field.numel())).values
    slope = (field[:, 1:, :-1] - field[:, :-1, :-1]).square() + (field[:, :-1, 1:] - field[:, :-1, :-1]).square()
    # Divided by its slope the field is a distance in pixels, so the edge is about a pixel wide everywhere.
    distance = (field - threshold) / functional.pad(slope.sqrt(), (0, 1, 0, 1), mode="replicate").clamp(min=1e-4)
    return torch.sigmoid(2.5 * distance)
