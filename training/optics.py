"""Degradations that any camera, scaler or picture codec makes: blur, resizing, noise, JPEG. Torch only, seeded.

All take ``[T, 3, H, W]`` in [0, 1], and all but JPEG a generator, from which they draw their strength; one draw holds
for the clip, noise is new in every frame. Chained twice they are the second-order model of Real-ESRGAN (Wang et al.,
ICCVW 2021, section 3).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

_DCT = torch.tensor(
    [
        [math.sqrt((1 if k == 0 else 2) / 8) * math.cos(math.pi * (2 * n + 1) * k / 16) for n in range(8)]
        for k in range(8)
    ]
)
# ITU-T T.81, tables K.1 and K.2.
# fmt: off
_LUMA_TABLE = torch.tensor([
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56,
    14, 17, 22, 29, 51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92,
    49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
]).view(8, 8).float()
_CHROMA_TABLE = torch.tensor([
    17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99,
    47, 66, 99, 99, 99, 99, 99, 99, *([99] * 32),
]).view(8, 8).float()
# fmt: on


def uniform(low: float, high: float, generator: torch.Generator) -> float:
    """A number drawn evenly from [low, high)."""
    return low + (high - low) * float(torch.rand((), generator=generator))


def chance(probability: float, generator: torch.Generator) -> bool:
    """True with this probability."""
    return float(torch.rand((), generator=generator)) < probability


def rgb_to_ycbcr(rgb: Tensor) -> Tensor:
    """BT.601 full range (JFIF): ``[N, 3, H, W]`` in [0, 1] -> Y in [0, 1], Cb and Cr in [-0.5, 0.5]."""
    r, g, b = rgb.unbind(1)
    y = 0.299 * r + 0.587 * g + 0.114 * b
    return torch.stack((y, (b - y) / 1.772, (r - y) / 1.402), dim=1)


def ycbcr_to_rgb(ycbcr: Tensor) -> Tensor:
    """The inverse of ``rgb_to_ycbcr``, not clamped."""
    y, cb, cr = ycbcr.unbind(1)
    r, b = y + 1.402 * cr, y + 1.772 * cb
    return torch.stack((r, (y - 0.299 * r - 0.114 * b) / 0.587, b), dim=1)


def gaussian_kernel(sigma_x: float, sigma_y: float, angle: float) -> Tensor:
    """An elongated Gaussian, ``[k, k]``, turned by ``angle`` radians, of sum 1; k follows from the larger sigma."""
    radius = max(1, math.ceil(3 * max(sigma_x, sigma_y)))
    span = torch.arange(-radius, radius + 1, dtype=torch.float32)
    y, x = torch.meshgrid(span, span, indexing="ij")
    along, across = x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)
    kernel = torch.exp(-0.5 * ((along / sigma_x).square() + (across / sigma_y).square()))
    return kernel / kernel.sum()


def filter_with(frames: Tensor, kernel: Tensor) -> Tensor:
    """Convolve every channel with ``kernel`` ``[kh, kw]`` (odd sides), edges replicated."""
    rows, columns = kernel.shape
    padded = functional.pad(frames, (columns // 2, columns // 2, rows // 2, rows // 2), mode="replicate")
    weight = kernel.to(frames).expand(frames.shape[1], 1, rows, columns)
    return functional.conv2d(padded, weight, groups=frames.shape[1])


def blur(frames: Tensor, generator: torch.Generator, strongest: float) -> Tensor:
    """Isotropic or elongated Gaussian blur with a sigma of 0.2 to ``strongest`` pixels."""
    sigma_x = uniform(0.2, strongest, generator)
    sigma_y = sigma_x if chance(0.6, generator) else uniform(0.2, strongest, generator)
    return filter_with(frames, gaussian_kernel(sigma_x, sigma_y, uniform(0, math.pi, generator)))


def resize(frames: Tensor, size: tuple[int, int], generator: torch.Generator) -> Tensor:
    """Resize to (height, width) with a scaler drawn from area, bilinear and bicubic, antialiased."""
    mode = ("area", "bilinear", "bicubic")[int(torch.randint(3, (), generator=generator))]
    if mode == "area":
        return functional.interpolate(frames, size, mode="area")
    return functional.interpolate(frames, size, mode=mode, antialias=True, align_corners=False)


def sensor_noise(frames: Tensor, generator: torch.Generator, strongest: float) -> Tensor:
    """Gaussian noise of up to ``strongest`` standard deviation, or Poisson noise that grows with the light.

    In two cases of five all channels share the noise.
    """
    shape = list(frames.shape)
    if chance(0.4, generator):
        shape[1] = 1
    noise = torch.randn(shape, generator=generator) * uniform(strongest / 25, strongest, generator)
    if chance(0.4, generator):
        # For many photons Poisson's law is Gaussian with a variance proportional to the signal.
        level = frames.mean(1, keepdim=True) if shape[1] == 1 else frames
        noise = noise * 1.4 * level.clamp(0, 1).sqrt()
    return frames + noise


def jpeg(frames: Tensor, quality: float) -> Tensor:
    """What JPEG at ``quality`` (1 to 100, libjpeg's scale) with 4:2:0 chroma does to the frames."""
    height, width = frames.shape[-2:]
    padded = functional.pad(frames.clamp(0, 1), (0, -width % 16, 0, -height % 16), mode="replicate")
    ycbcr = rgb_to_ycbcr(padded) * 255
    scale = 50 / quality if quality < 50 else 2 - quality / 50
    luma = _quantise(ycbcr[:, :1] - 128, (_LUMA_TABLE * scale).round().clamp(1, 255)) + 128
    chroma = _quantise(functional.avg_pool2d(ycbcr[:, 1:], 2), (_CHROMA_TABLE * scale).round().clamp(1, 255))
    chroma = functional.interpolate(chroma, scale_factor=2, mode="bilinear", align_corners=False)
    return ycbcr_to_rgb(torch.cat((luma, chroma), dim=1) / 255).clamp(0, 1)[..., :height, :width]


def _quantise(planes: Tensor, table: Tensor) -> Tensor:
    """Round the 8x8 DCT coefficients of ``[N, C, H, W]`` (sides multiples of 8) to multiples of ``table``."""
    blocks = planes.unflatten(3, (-1, 8)).unflatten(2, (-1, 8)).transpose(3, 4)
    coefficients = _DCT @ blocks @ _DCT.T
    blocks = _DCT.T @ ((coefficients / table).round() * table) @ _DCT
    return blocks.transpose(3, 4).flatten(4, 5).flatten(2, 3)
