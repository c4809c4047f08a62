"""The time-aware structure encoder: what the UNet is told of the low-quality latents (golden README section 2)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import cast

from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.downsampling import Downsample2D
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn

from models.attention import head_count, spatial_attention
from models.embeddings import TimeEmbedding
from models.layers import per_level
from models.lean_resnet import LeanResnetBlock
from models.spade import UNET_EPS


class StructureLevel(nn.Module):
    """Residual blocks at one resolution, each with attention or none."""

    def __init__(
        self, channels: Sequence[int], time_channels: int, norm_groups: int, heads: int | None, halve: bool
    ) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(
            _resnet(before, after, time_channels, norm_groups) for before, after in pairwise(channels)
        )
        self.attentions = nn.ModuleList(
            spatial_attention(width, heads, norm_groups, UNET_EPS) for width in channels[1:] if heads is not None
        )
        last = channels[-1]
        self.downsampler = Downsample2D(last, use_conv=True, out_channels=last, name="op") if halve else None

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """Map ``[n, channels[0], h, w]`` to ``[n, channels[-1], h, w]``; the halving is left to the caller."""
        for i, resnet in enumerate(self.resnets):
            x = resnet(x, time)
            if self.attentions:
                x = self.attentions[i](x)
        return x


class StructureEncoder(ModelMixin, ConfigMixin):
    """Low-quality latents to one structure condition per resolution of the UNet, each frame for itself.

    Args:
        in_channels: channels of a latent.
        out_channels: channels of every structure condition.
        base_channels: channels after the first convolution, and of the timestep's cosines and sines; None means the
            first of ``block_out_channels``.
        block_out_channels: channels of each level, from full size down; each level but the last halves the size.
        layers_per_block: residual blocks of a level, for all or for each.
        attention_resolutions: downsampling factors (1, 2, 4, ...) at which residual blocks have attention.
        num_heads: attention heads, at every width; ignored where ``head_channels`` is given.
        head_channels: channels of an attention head, or None.
        mid_attention: whether the deepest level's middle block has attention.
        norm_groups: groups of all group norms.

    Raises:
        ValueError: a level's channels cannot be shared among its attention heads.
    """

    @register_to_config
    def __init__(
        self,
        in_channels: int = 4,
        out_channels: int = 256,
        base_channels: int | None = None,
        block_out_channels: Sequence[int] = (256, 256, 512, 512),
        layers_per_block: int | Sequence[int] = 2,
        attention_resolutions: Sequence[int] = (4, 2, 1),
        num_heads: int = 4,
        head_channels: int | None = None,
        mid_attention: bool = True,
        norm_groups: int = 32,
    ) -> None:
        super().__init__()
        base = block_out_channels[0] if base_channels is None else base_channels
        layers = per_level(layers_per_block, len(block_out_channels))
        self.time_embedding = TimeEmbedding(base)
        time_channels = self.time_embedding.channels

        def heads(channels: int) -> int:
            return head_count(channels, num_heads, head_channels)

        self.conv_in = nn.Conv2d(in_channels, base, kernel_size=3, padding=1)
        last = len(block_out_channels) - 1
        self.levels = nn.ModuleList(
            StructureLevel(
                channels=[before] + [after] * layers[level],
                time_channels=time_channels,
                norm_groups=norm_groups,
                heads=heads(after) if 2**level in attention_resolutions else None,
                halve=level < last,
            )
            for level, (before, after) in enumerate(pairwise((base, *block_out_channels)))
        )
        deepest = block_out_channels[-1]
        self.middle_resnets = nn.ModuleList(_resnet(deepest, deepest, time_channels, norm_groups) for _ in range(2))
        self.middle_attention = (
            spatial_attention(deepest, heads(deepest), norm_groups, UNET_EPS) if mid_attention else None
        )
        self.outputs = nn.ModuleList(
            _resnet(width, out_channels, time_channels, norm_groups) for width in block_out_channels
        )

    def forward(self, latents: Tensor, timesteps: Tensor, levels: int | None = None) -> dict[int, Tensor]:
        """Encode frames.

        Args:
            latents: ``[n, in_channels, h, w]``, scaled latents of the low-quality frames.
            timesteps: ``[1]`` for all frames or ``[n]``.
            levels: how many levels are wanted, from full size down; None is all.

        Returns:
            width -> structure condition ``[n, out_channels, h', width]``, one for each level.

        Raises:
            ValueError: the latents are so narrow that two levels have the same width.
        """
        time = self.time_embedding(timesteps)
        x = self.conv_in(latents)
        features = []
        for level in cast(Iterable[StructureLevel], self.levels[:levels]):
            x = level(x, time)
            features.append(x)
            if level.downsampler is not None and len(features) != levels:
                x = level.downsampler(x)
        if len(features) == len(self.levels):
            x = self.middle_resnets[0](x, time)
            if self.middle_attention is not None:
                x = self.middle_attention(x)
            # The deepest level's feature is what the middle makes of it.
            features[-1] = self.middle_resnets[1](x, time)
        structure = {
            feature.shape[-1]: output(feature, time)
            for output, feature in zip(self.outputs[: len(features)], features, strict=True)
        }
        if len(structure) < len(features):
            raise ValueError(f"latents {latents.shape[-1]} wide are too narrow for {len(features)} levels")
        return structure


def _resnet(in_channels: int, out_channels: int, time_channels: int, norm_groups: int) -> LeanResnetBlock:
    return LeanResnetBlock(
        in_channels=in_channels,
        out_channels=out_channels,
        temb_channels=time_channels,
        groups=norm_groups,
        eps=UNET_EPS,
    )
