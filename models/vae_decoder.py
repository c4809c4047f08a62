"""The VAE's decoder: latents to frames, with temporal layers and fusion (golden README section 4)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from diffusers.models.upsampling import Upsample2D
from torch import Tensor, nn
from torch.nn import functional

from models.fusion import FeatureFusion
from models.image_fusion import ImageFusion
from models.temporal import SpatialTemporalConv
from models.vae_encoder import VAE_EPS, MiddleBlock, vae_resnet


class DecoderLevel(nn.Module):
    """Residual blocks, each followed by a temporal layer; then fusion; then a doubling of the size."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        blocks: int,
        norm_groups: int,
        fusion_growth: int | None,
        double: bool,
    ) -> None:
        super().__init__()
        widths = [in_channels] + [out_channels] * blocks
        self.resnets = nn.ModuleList(vae_resnet(before, after, norm_groups) for before, after in pairwise(widths))
        self.temporal = nn.ModuleList(SpatialTemporalConv(out_channels) for _ in range(blocks))
        self.fusion = None if fusion_growth is None else FeatureFusion(out_channels, fusion_growth, norm_groups)
        self.upsampler = Upsample2D(out_channels, use_conv=True, out_channels=out_channels) if double else None

    def forward(self, x: Tensor, feature: Tensor | None, fusion_weight: float, num_frames: int) -> Tensor:
        """Map ``[n, in_channels, h, w]`` to ``[n, out_channels, 2h, 2w]`` (or the same size at the last level)."""
        for resnet, temporal in zip(self.resnets, self.temporal, strict=True):
            x = temporal(resnet(x, None), num_frames)
        if self.fusion is not None and feature is not None:
            x = self.fusion(x, feature, fusion_weight)
        return x if self.upsampler is None else self.upsampler(x)


class TemporalDecoder(nn.Module):
    """Latents to frames, with the neighbours of the window and the encoder's features at hand.

    Args:
        in_channels: channels of the (post-quantisation) latent.
        out_channels: channels of a frame.
        block_out_channels: channels of each level, from full size down.
        layers_per_block: residual blocks of each encoder level; the decoder has one more.
        norm_groups: groups of the group norms.
        mid_attention: whether the smallest size has self-attention.
        fusion_growth: growth of the dense blocks in the fusion layers.
        image_fusion: whether the first of the features is the frame itself, fused after the last convolution.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        block_out_channels: Sequence[int],
        layers_per_block: Sequence[int],
        norm_groups: int,
        mid_attention: bool,
        fusion_growth: int,
        image_fusion: bool = False,
    ) -> None:
        super().__init__()
        top = len(block_out_channels) - 1
        deepest = block_out_channels[-1]
        self.conv_in = nn.Conv2d(in_channels, deepest, kernel_size=3, padding=1)
        self.middle = MiddleBlock(deepest, norm_groups, mid_attention, temporal=True)
        self.levels = nn.ModuleList(
            DecoderLevel(
                in_channels=block_out_channels[min(level + 1, top)],
                out_channels=block_out_channels[level],
                blocks=layers_per_block[level] + 1,
                norm_groups=norm_groups,
                fusion_growth=fusion_growth if 0 < level < top else None,
                double=level > 0,
            )
            for level in range(top, -1, -1)
        )
        self.norm_out = nn.GroupNorm(norm_groups, block_out_channels[0], eps=VAE_EPS)
        self.conv_out = nn.Conv2d(block_out_channels[0], out_channels, kernel_size=3, padding=1)
        self.image_fusion = ImageFusion(out_channels, block_out_channels[0]) if image_fusion else None

    def forward(self, latents: Tensor, features: Sequence[Tensor], fusion_weight: float, num_frames: int) -> Tensor:
        """Decode ``latents [n, c, h, w]`` to ``[n, out_channels, H, W]``; no features means no fusion."""
        x = self.middle(self.conv_in(latents), num_frames)
        waiting = list(features)
        for level in self.levels:
            # The shallowest level has no feature of its own.
            feature = waiting.pop() if waiting and level.upsampler is not None else None
            x = level(x, feature, fusion_weight, num_frames)
        x = functional.silu(self.norm_out(x))
        decoded = self.conv_out(x)
        if self.image_fusion is None or not waiting:
            return decoded
        return self.image_fusion(decoded, waiting.pop(), x, fusion_weight)
