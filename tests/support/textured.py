"""A textured picture, and the source that it would be the restoration of."""

from __future__ import annotations

import torch
from torch import Tensor

from stages.decode.fidelity import reduced


def target(height: int = 192, width: int = 256, seed: int = 1) -> Tensor:
    """A picture [1, 3, h, w] in [-1, 1] with edges and texture at every place."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, height // 8, width // 8, generator=generator)
    return torch.nn.functional.interpolate(coarse, size=(height, width), mode="nearest") * 1.2 - 0.6


def source_of(frame: Tensor, scale: int = 4) -> Tensor:
    return reduced(frame, (frame.shape[-2] // scale, frame.shape[-1] // scale))
