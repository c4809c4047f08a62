"""diffusers' residual block in fewer passes over memory: in place, where nothing is recorded for gradients."""

from __future__ import annotations

import torch
from diffusers.models.resnet import ResnetBlock2D
from torch import Tensor
from torch.nn import functional


def in_place() -> bool:
    """Whether what is no longer needed may be written over: no gradient is recorded, and no type cast at every step."""
    return not (torch.is_grad_enabled() or torch.is_autocast_enabled("cuda"))


def trunk(block: ResnetBlock2D, x: Tensor, time: Tensor | None) -> Tensor:
    """What the block adds to its shortcut: norm, SiLU, convolution, time embedding, and the first three again.

    Args:
        block: with neither change of size nor dropout.
        x: ``[n, in_channels, h, w]``; stays as it is.
        time: ``[1, time_channels]`` or ``[n, time_channels]``; None for blocks without it.
    """
    h = block.conv1(functional.silu(block.norm1(x), inplace=in_place()))
    if time is not None:
        h = added(h, block.time_emb_proj(functional.silu(time))[:, :, None, None])
    return block.conv2(functional.silu(block.norm2(h), inplace=in_place()))


def added(h: Tensor, other: Tensor) -> Tensor:
    """``h + other``, written over ``h`` where that may be."""
    return h.add_(other) if in_place() else h + other


class LeanResnetBlock(ResnetBlock2D):
    """The same weights and the same result as diffusers' block has, which also divides by an output scale of 1."""

    def forward(self, x: Tensor, time: Tensor | None) -> Tensor:
        """Map ``x [n, in_channels, h, w]`` to ``[n, out_channels, h, w]``; ``time`` as for ``trunk``."""
        return added(trunk(self, x, time), x if self.conv_shortcut is None else self.conv_shortcut(x))
