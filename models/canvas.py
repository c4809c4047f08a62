"""From the size of a source frame to the canvas it is restored on, and back (golden README, section 12)."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import torch
from torch import Tensor
from torch.nn import functional

REFERENCE_MULTIPLE = 32
REFERENCE_SHORT_SIDE = 512
REFERENCE_SCALE = 4

Size = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Canvas:
    """The sizes (height, width) that a frame goes through.

    Attributes:
        source: as it came.
        upscaled: what it is resized to; the top left part of the canvas.
        padded: the canvas: what the networks see.
        output: what is delivered: ``upscaled``, or smaller where that was larger than asked for.
    """

    source: Size
    upscaled: Size
    padded: Size
    output: Size

    def latent(self, factor: int = 8) -> Size:
        """Size of the canvas in latent pixels.

        Raises:
            ValueError: if the canvas is not a multiple of ``factor``.
        """
        if self.padded[0] % factor or self.padded[1] % factor:
            raise ValueError(f"a canvas of {self.padded} has no latents of 1/{factor} of its size")
        return self.padded[0] // factor, self.padded[1] // factor

    def enter(self, frames: Tensor) -> Tensor:
        """Upscale ``[N, C, *source]`` in [-1, 1] and pad: ``[N, C, *padded]`` in [-1, 1]."""
        return self.pad(upscale(frames, self.upscaled))

    def pad(self, frames: Tensor) -> Tensor:
        """Pad ``[N, C, *upscaled]`` by reflection at the right and the bottom to ``[N, C, *padded]``."""
        return pad_by_reflection(frames, self.padded)

    def crop(self, frames: Tensor) -> Tensor:
        """``[N, C, *padded]`` without its padding."""
        return frames[..., : self.upscaled[0], : self.upscaled[1]]

    def leave(self, frames: Tensor) -> Tensor:
        """Crop ``[N, C, *padded]`` in [-1, 1] and reduce it to ``[N, C, *output]``, in this order.

        The published system reduces first and crops in vain, so that padding stays visible.
        """
        frames = self.crop(frames)
        if self.output == self.upscaled:
            return frames
        reduced = functional.interpolate(frames, size=self.output, mode="bicubic", align_corners=False, antialias=True)
        return reduced.clamp(-1, 1)


def fit_canvas(source: Size, scale: float | Fraction, multiple: int = 8) -> Canvas:
    """Our canvas: the scale as asked for, padded only as far as the networks need.

    Args:
        source: height and width.
        scale: of both sides; sizes are rounded to whole pixels.
        multiple: what the sides of the canvas must be multiples of: pixels per latent pixel
            (``ModelFolder.canvas_multiple``).

    Raises:
        ValueError: if a side, the scale or the multiple is not positive.
    """
    if min(source) < 1 or scale <= 0:
        raise ValueError(f"no canvas for {source} at scale {scale}")
    height, width = (max(1, round(side * Fraction(scale))) for side in source)
    return canvas_for_output(source, (height, width), multiple)


def canvas_for_output(source: Size, output: Size, multiple: int = 8) -> Canvas:
    """As ``fit_canvas``, for an output of a given size, whatever the scale of either side.

    Raises:
        ValueError: if a side or the multiple is not positive.
    """
    if min(*source, *output, multiple) < 1:
        raise ValueError(f"no canvas from {source} to {output} in multiples of {multiple}")
    padded = (-(-output[0] // multiple) * multiple, -(-output[1] // multiple) * multiple)
    return Canvas(source, output, padded, output)


def reference_canvas(source: Size, scale: float | None = None) -> Canvas:
    """The published system's canvas: at least 512 pixels on the short side, at least 4 times the source.

    If one side is no multiple of 32, *both* are padded, and one that is gets a full 32 more.

    Args:
        source: height and width.
        scale: instead of the published ``max(512 / short side, 4)``.
    """
    factor = max(REFERENCE_SHORT_SIDE / min(source), REFERENCE_SCALE) if scale is None else scale
    upscaled = (int(source[0] * factor), int(source[1] * factor))
    padded = upscaled
    if upscaled[0] % REFERENCE_MULTIPLE or upscaled[1] % REFERENCE_MULTIPLE:
        padded = tuple((side // REFERENCE_MULTIPLE + 1) * REFERENCE_MULTIPLE for side in upscaled)  # type: ignore[assignment]
    output = upscaled if factor <= REFERENCE_SCALE else (source[0] * REFERENCE_SCALE, source[1] * REFERENCE_SCALE)
    return Canvas(source, upscaled, padded, output)


def upscale(frames: Tensor, size: Size) -> Tensor:
    """Bicubic (a = -0.75, not antialiased) resize of ``[N, C, H, W]`` in [-1, 1], clamped to that range."""
    resized = functional.interpolate(frames, size=size, mode="bicubic", align_corners=False)
    return resized.clamp(-1, 1)


def pad_by_reflection(frames: Tensor, size: Size) -> Tensor:
    """Extend ``[..., H, W]`` to ``size`` at the bottom and the right, mirrored at the last pixel, to and fro.

    Equal to reflection padding, but also defined where the padding is larger than the frame.
    """
    for dim, length in ((-2, size[0]), (-1, size[1])):
        side = frames.shape[dim]
        if length == side:
            continue
        period = max(1, 2 * side - 2)
        position = torch.arange(length, device=frames.device) % period
        frames = frames.index_select(dim, torch.minimum(position, period - position).clamp(max=side - 1))
    return frames


def flow_frames(padded: Tensor, factor: int = 4) -> Tensor:
    """What the flow network sees: ``[N, 3, H, W]`` in [-1, 1], mapped to [0, 1] and reduced by ``factor`` (bicubic)."""
    height, width = padded.shape[-2:]
    frames = ((padded + 1) / 2).clamp(0, 1)
    return functional.interpolate(frames, size=(height // factor, width // factor), mode="bicubic", align_corners=False)


def from_uint8(frames: Tensor) -> Tensor:
    """[0, 255] to float32 [-1, 1], as published: ``(x / 255 - 0.5) / 0.5``."""
    return (frames.float() / 255 - 0.5) / 0.5


def truncate_to_uint8(frames: Tensor) -> Tensor:
    """[-1, 1] to [0, 255], as published: clamped and *truncated*, half a level darker than rounding on average."""
    return (255 * ((frames + 1) / 2).clamp(0, 1)).to(torch.uint8)
