"""Fusion of the encoder's features of the low-quality frame into the decoder (golden README section 4)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.lean_resnet import LeanResnetBlock


class ResidualDenseBlock(nn.Module):
    """Five 3x3 convolutions, each seeing all before it; a fifth of the last is added to the input."""

    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        widths = [growth] * 4 + [channels]
        self.convs = nn.ModuleList(
            nn.Conv2d(channels + i * growth, width, kernel_size=3, padding=1) for i, width in enumerate(widths)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[n, channels, h, w]`` to the same shape."""
        dense = x
        for conv in self.convs[:-1]:
            dense = torch.cat((dense, functional.leaky_relu(conv(dense), 0.2)), dim=1)
        return 0.2 * self.convs[-1](dense) + x


class FeatureFusion(nn.Module):
    """Add what the encoder saw to what the decoder makes: ``d + w * f(cat(e, d))``.

    Args:
        channels: channels of both the encoder's and the decoder's tensor.
        growth: channels that each convolution of the dense blocks adds (32 in the published network).
        norm_groups: groups of the group norms.
    """

    def __init__(self, channels: int, growth: int, norm_groups: int) -> None:
        super().__init__()
        self.reduce = LeanResnetBlock(
            in_channels=2 * channels, out_channels=channels, temb_channels=None, groups=norm_groups, eps=1e-6
        )
        self.dense = nn.ModuleList(ResidualDenseBlock(channels, growth) for _ in range(2))
        self.refine = LeanResnetBlock(in_channels=channels, temb_channels=None, groups=norm_groups, eps=1e-6)

    def forward(self, decoded: Tensor, encoded: Tensor, weight: float) -> Tensor:
        """Fuse ``encoded`` into ``decoded``, both ``[n, channels, h, w]``; ``weight`` 0 leaves ``decoded`` alone."""
        if decoded.shape != encoded.shape:
            raise ValueError(
                f"encoder features {tuple(encoded.shape)} do not fit the decoder's {tuple(decoded.shape)}: "
                "they must come from the same frames at the same size"
            )
        fused = self.reduce(torch.cat((encoded, decoded), dim=1), None)
        for block in self.dense:
            fused = block(fused)
        return decoded + weight * self.refine(fused, None)
