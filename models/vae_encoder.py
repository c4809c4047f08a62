"""The VAE's encoder: frames to posterior moments and features for fusion (golden README section 4)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from diffusers.models.downsampling import Downsample2D
from torch import Tensor, nn
from torch.nn import functional

from models.attention import spatial_attention
from models.lean_resnet import LeanResnetBlock
from models.temporal import SpatialTemporalConv

VAE_EPS = 1e-6


def vae_resnet(in_channels: int, out_channels: int, norm_groups: int) -> LeanResnetBlock:
    """Build the VAE's residual block: no time embedding, group norm with eps 1e-6."""
    return LeanResnetBlock(
        in_channels=in_channels, out_channels=out_channels, temb_channels=None, groups=norm_groups, eps=VAE_EPS
    )


class EncoderLevel(nn.Module):
    """Residual blocks at one resolution, then a halving (absent at the deepest level)."""

    def __init__(self, in_channels: int, out_channels: int, blocks: int, norm_groups: int, halve: bool) -> None:
        super().__init__()
        widths = [in_channels] + [out_channels] * blocks
        self.resnets = nn.ModuleList(vae_resnet(before, after, norm_groups) for before, after in pairwise(widths))
        # Padding 0 makes diffusers pad one row below and one column to the right, as the published encoder does.
        self.downsampler = (
            Downsample2D(out_channels, use_conv=True, out_channels=out_channels, padding=0, name="op")
            if halve
            else None
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the input of the next level and the feature of this one, ``[n, out_channels, h, w]``."""
        for resnet in self.resnets:
            x = resnet(x, None)
        return (x if self.downsampler is None else self.downsampler(x)), x


class MiddleBlock(nn.Module):
    """Residual block, temporal layer (decoder only), attention (optional), residual block at the smallest size."""

    def __init__(self, channels: int, norm_groups: int, attention: bool, temporal: bool) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(vae_resnet(channels, channels, norm_groups) for _ in range(2))
        self.temporal = SpatialTemporalConv(channels) if temporal else None
        self.attention = spatial_attention(channels, 1, norm_groups, VAE_EPS) if attention else None

    def forward(self, x: Tensor, num_frames: int) -> Tensor:
        """Map ``[n, channels, h, w]`` to the same shape; ``num_frames`` frames make a window."""
        x = self.resnets[0](x, None)
        if self.temporal is not None:
            x = self.temporal(x, num_frames)
        if self.attention is not None:
            x = self.attention(x)
        return self.resnets[1](x, None)


class FrameEncoder(nn.Module):
    """Frames to moments and features, each frame for itself.

    Args:
        in_channels: channels of a frame.
        moment_channels: channels of the output.
        base_channels: channels after the first convolution.
        block_out_channels: channels of each level, from full size down; each level but the last halves the size.
        layers_per_block: residual blocks of each level.
        norm_groups: groups of the group norms.
        mid_attention: whether the smallest size has self-attention.
    """

    def __init__(
        self,
        in_channels: int,
        moment_channels: int,
        base_channels: int,
        block_out_channels: Sequence[int],
        layers_per_block: Sequence[int],
        norm_groups: int,
        mid_attention: bool,
    ) -> None:
        super().__init__()
        last = len(block_out_channels) - 1
        widths = (base_channels, *block_out_channels)
        self.conv_in = nn.Conv2d(in_channels, base_channels, kernel_size=3, padding=1)
        self.levels = nn.ModuleList(
            EncoderLevel(widths[i], widths[i + 1], layers_per_block[i], norm_groups, halve=i < last)
            for i in range(last + 1)
        )
        self.middle = MiddleBlock(widths[-1], norm_groups, mid_attention, temporal=False)
        self.norm_out = nn.GroupNorm(norm_groups, widths[-1], eps=VAE_EPS)
        self.conv_out = nn.Conv2d(widths[-1], moment_channels, kernel_size=3, padding=1)

    def forward(self, images: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Encode ``images [n, c, H, W]``.

        Returns:
            moments ``[n, moment_channels, h, w]``, and the features of all levels but the first.
        """
        x = self.conv_in(images)
        features = []
        for level in self.levels:
            x, feature = level(x)
            features.append(feature)
        x = self.middle(x, num_frames=1)
        return self.conv_out(functional.silu(self.norm_out(x))), tuple(features[1:])
