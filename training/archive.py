"""Damage of film and analogue video tape. Torch only, seeded; ``[T, 3, H, W]`` in [0, 1] and not clamped afterwards."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from training.optics import chance, filter_with, rgb_to_ycbcr, uniform, ycbcr_to_rgb


def age_colours(frames: Tensor, generator: torch.Generator) -> Tensor:
    """Fading: weaker contrast, a cast, less saturation, or no colour at all; the same for the whole clip.

    Meant for the wanted picture as well as the damaged one: a restoration must not grade anew what it is given.
    """
    ycbcr = rgb_to_ycbcr(frames)
    if chance(0.3, generator):
        ycbcr[:, 1:] = torch.tensor([-0.02, 0.015]).view(1, 2, 1, 1) * uniform(0, 1, generator)
    else:
        ycbcr[:, 1:] *= uniform(0.3, 1.0, generator)
        ycbcr[:, 1:] += 0.03 * torch.randn(1, 2, 1, 1, generator=generator)
    lift, top = uniform(0, 0.12, generator), uniform(0.8, 1.0, generator)
    return ycbcr_to_rgb(ycbcr).clamp(0, 1) ** uniform(0.8, 1.25, generator) * (top - lift) + lift


def grain(frames: Tensor, generator: torch.Generator) -> Tensor:
    """Film grain: correlated over about a pixel, strongest in the mid-tones."""
    count, _, height, width = frames.shape
    coarse = uniform(1.0, 2.5, generator)
    size = (max(1, round(height / coarse)), max(1, round(width / coarse)))
    noise = torch.randn(count, 1 if chance(0.6, generator) else 3, *size, generator=generator)
    noise = functional.interpolate(noise, (height, width), mode="bicubic", align_corners=False)
    level = frames.mean(1, keepdim=True).clamp(0, 1)
    return frames + noise * uniform(0.01, 0.07, generator) * (0.3 + 2.8 * level * (1 - level))


def flicker(frames: Tensor, generator: torch.Generator) -> Tensor:
    """Exposure that wanders from frame to frame by a few per cent, unevenly over the picture; 1 on average."""
    count, _, height, width = frames.shape
    gains = torch.randn(count, 1, 2, 2, generator=generator) * 0.4 + torch.randn(count, 1, 1, 1, generator=generator)
    gains = functional.interpolate(gains - gains.mean(0), (height, width), mode="bilinear", align_corners=True)
    return frames * (1 + gains * uniform(0.005, 0.04, generator))


def dust_and_scratches(frames: Tensor, generator: torch.Generator) -> Tensor:
    """Specks and hairs that last one frame, and now and then an upright scratch that stays."""
    count, _, height, width = frames.shape
    damaged = frames.clone()
    rows, columns = torch.arange(height).view(-1, 1), torch.arange(width).view(1, -1)
    for index in range(count):
        for _ in range(int(torch.poisson(torch.tensor(uniform(0, 3, generator)), generator=generator))):
            y, x = uniform(0, height, generator), uniform(0, width, generator)
            long, thin = uniform(0.6, 4.0, generator) ** 1.5, uniform(0.5, 2.0, generator)
            angle, bow = uniform(0, math.pi, generator), uniform(-0.1, 0.1, generator)
            along = (columns - x) * math.cos(angle) + (rows - y) * math.sin(angle)
            across = (rows - y) * math.cos(angle) - (columns - x) * math.sin(angle) + bow * along.square()
            cover = torch.sigmoid(3 * (1 - (along / long).square() - (across / thin).square()))
            tone = uniform(0.75, 1.0, generator) if chance(0.6, generator) else uniform(0, 0.2, generator)
            damaged[index] += cover * uniform(0.6, 1.0, generator) * (tone - damaged[index])
    if chance(0.2, generator):
        path = uniform(0, width, generator) + torch.randn(count, generator=generator).cumsum(0) * 0.4
        lean = uniform(-0.03, 0.03, generator)
        lines = torch.exp(-(columns - path.view(-1, 1, 1) - lean * rows).square())
        damaged += lines[:, None] * uniform(-0.3, 0.5, generator)
    return damaged


def tape(frames: Tensor, generator: torch.Generator) -> Tensor:
    """A colour-under recording: narrow luma with halos, smeared and displaced chroma, streaks, unsteady lines."""
    count, _, height, width = frames.shape
    ycbcr = rgb_to_ycbcr(frames)
    luma = filter_with(ycbcr[:, :1], _row_kernel(uniform(0.3, 1.2, generator)))
    if chance(0.5, generator):
        halo = luma - filter_with(luma, _row_kernel(uniform(1.0, 2.0, generator)))
        luma = luma + uniform(0.3, 1.2, generator) * halo
    chroma = filter_with(ycbcr[:, 1:], _row_kernel(uniform(1.0, 4.0, generator)))
    shift = (round(uniform(-0.5, 2.5, generator)), round(uniform(-0.5, 3.5, generator)))
    chroma = functional.pad(chroma, (shift[1], 0, shift[0], 0), mode="replicate")[..., :height, :width]
    shape = (count, 1, height, width)
    luma = luma + uniform(0.003, 0.04, generator) * _streaks(shape, uniform(0.3, 1.0, generator), generator)
    shape = (count, 2, height, width)
    chroma = chroma + uniform(0.005, 0.045, generator) * _streaks(shape, uniform(1.0, 4.0, generator), generator)
    damaged = ycbcr_to_rgb(torch.cat((luma, chroma), dim=1))
    if chance(0.5, generator):
        damaged = _unsteady_lines(damaged, generator)
    return _dropouts(damaged, generator) if chance(0.3, generator) else damaged


def interlace(frames: Tensor, generator: torch.Generator) -> Tensor:
    """Combs left by weaving fields of two moments into one frame, as they are or half blended away."""
    later = torch.cat((frames[1:], frames[-1:]))
    # The second field was taken half a frame later; halfway between two frames is as near as a clip has it.
    woven = frames.clone()
    woven[:, :, 1::2] = (later if chance(0.4, generator) else (frames + later) / 2)[:, :, 1::2]
    if chance(0.5, generator):
        return woven
    blended = filter_with(woven, torch.tensor([[0.25], [0.5], [0.25]]))
    return woven + uniform(0.4, 1.0, generator) * (blended - woven)


def _row_kernel(sigma: float) -> Tensor:
    radius = max(1, math.ceil(3 * sigma))
    span = torch.arange(-radius, radius + 1, dtype=torch.float32)
    kernel = torch.exp(-0.5 * (span / sigma).square())
    return (kernel / kernel.sum()).view(1, -1)


def _streaks(shape: tuple[int, int, int, int], length: float, generator: torch.Generator) -> Tensor:
    """Noise of standard deviation 1, drawn out along the lines by ``length`` pixels."""
    kernel = _row_kernel(length)
    return filter_with(torch.randn(shape, generator=generator), kernel) / kernel.square().sum().sqrt()


def _unsteady_lines(frames: Tensor, generator: torch.Generator) -> Tensor:
    """Time-base errors: every line is displaced by its own fraction of a pixel."""
    count, _, height, width = frames.shape
    noise = torch.randn(count, height, generator=generator)
    slow = functional.interpolate(torch.randn(count, 1, 4, generator=generator), height, mode="linear")[:, 0]
    offset = 0.3 * noise * uniform(0, 1, generator) + slow * uniform(0, 1, generator)
    columns = torch.arange(width).view(1, 1, -1) + offset[..., None]
    grid_x = (columns + 0.5) * (2 / width) - 1
    grid_y = ((torch.arange(height) + 0.5) * (2 / height) - 1).view(1, -1, 1).expand_as(grid_x)
    return functional.grid_sample(frames, torch.stack((grid_x, grid_y), -1), padding_mode="border", align_corners=False)


def _dropouts(frames: Tensor, generator: torch.Generator) -> Tensor:
    """Short bright streaks on single lines, where the tape's coating is gone."""
    count, _, height, width = frames.shape
    damaged = frames.clone()
    for index in range(count):
        for _ in range(int(torch.poisson(torch.tensor(0.7), generator=generator))):
            row, start = (int(torch.randint(side, (), generator=generator)) for side in (height, width))
            stop = start + int(uniform(3, width / 2, generator))
            tail = torch.linspace(1, 0, min(stop, width) - start)
            damaged[index, :, row, start:stop] += tail * uniform(0.2, 0.8, generator)
    return damaged
