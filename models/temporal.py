"""The temporal layers: the only places where the frames of a window see each other.

Frames are the batch dimension, ``(b t) c h w`` with the frame index fastest; ``num_frames`` (t) says how many of them
make one window. Nothing crosses from one window to the next.
"""

from __future__ import annotations

from typing import cast

import torch
from diffusers.models.attention_processor import Attention
from torch import Tensor, nn
from torch.nn import functional


def count_windows(frames: int, num_frames: int) -> int:
    """Return how many windows of ``num_frames`` make up ``frames``; ValueError if they do not divide."""
    if num_frames < 1 or frames % num_frames:
        raise ValueError(f"{frames} frames are not whole windows of {num_frames} frames")
    return frames // num_frames


class SpatialTemporalConv(nn.Module):
    """Mix each frame with its two neighbours: ``a * conv(x) + (1 - a) * x`` (golden README section 1).

    ``conv`` is a convolution over time alone, kernel (3, 1, 1), zero padded at the ends of the window; ``a`` is the raw
    parameter ``temporal_alpha``, neither clamped nor squashed.

    A new layer leaves its input as it is: the convolution starts as the identity (so every ``a`` gives the same
    output) and ``a`` starts at 0.5, which lets half of the gradient reach the convolution at once.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.temporal_conv = nn.Conv3d(channels, channels, kernel_size=(3, 1, 1), padding=(1, 0, 0))
        self.temporal_alpha = nn.Parameter(torch.full((1,), 0.5))
        nn.init.dirac_(self.temporal_conv.weight)
        nn.init.zeros_(cast(Tensor, self.temporal_conv.bias))

    def forward(self, x: Tensor, num_frames: int) -> Tensor:
        """Mix ``x [(b t), c, h, w]`` over the t = ``num_frames`` frames of each window; same shape."""
        windows = count_windows(x.shape[0], num_frames)
        channels = x.shape[1]
        # Mixing with the input is a part of the convolution's centre: one pass over the frames instead of four.
        alpha = self.temporal_alpha
        identity = torch.zeros(channels, channels, 3, 1, dtype=alpha.dtype, device=x.device)
        identity[:, :, 1, 0] = torch.eye(channels, dtype=alpha.dtype, device=x.device)
        weight = alpha * self.temporal_conv.weight[..., 0] + (1 - alpha) * identity
        bias = alpha * cast(Tensor, self.temporal_conv.bias)
        # Kernel (3, 1, 1) over (t, h, w) is kernel (3, 1) over (t, h * w).
        sequences = x.unflatten(0, (windows, num_frames)).transpose(1, 2).flatten(3)
        return functional.conv2d(sequences, weight, bias, padding=(1, 0)).transpose(1, 2).reshape(x.shape)


class TemporalAttention(nn.Module):
    """Self-attention over the frames of a window at each place: ``a * attn(LN(x)) + (1 - a) * x``.

    Golden README section 1. The attention branch has no residual of its own and no positional embedding, so the order
    of the frames is invisible to it. A new layer starts with ``a`` = 0: it leaves its input as it is, and ``a`` has a
    gradient from the first step on, the attention from the second.
    """

    def __init__(self, channels: int, heads: int, head_channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels, eps=1e-5)
        self.temporal_attn = Attention(query_dim=channels, heads=heads, dim_head=head_channels, bias=False)
        self.temporal_alpha = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor, num_frames: int) -> Tensor:
        """Attend in ``x [(b t), c, h, w]`` over the t = ``num_frames`` frames of each window; same shape."""
        windows = count_windows(x.shape[0], num_frames)
        height, width = x.shape[-2:]
        sequences = x.unflatten(0, (windows, num_frames)).permute(0, 3, 4, 1, 2).flatten(0, 2)
        attended = self.temporal_attn(self.norm(sequences))
        attended = attended.unflatten(0, (windows, height, width)).permute(0, 3, 4, 1, 2).flatten(0, 1)
        alpha = self.temporal_alpha
        return alpha * attended + (1 - alpha) * x
