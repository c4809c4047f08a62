"""The levels and the middle of the denoising UNet (golden README section 3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from diffusers.models.downsampling import Downsample2D
from diffusers.models.upsampling import Upsample2D
from torch import Tensor, nn

from models.attention import SpatialTransformer, head_count
from models.deep_features import DeepFeatures
from models.spade import StructuredResnetBlock
from models.temporal import SpatialTemporalConv, TemporalAttention


@dataclass(frozen=True, slots=True)
class Conditions:
    """What every block of the UNet is told besides the latents.

    Attributes:
        time: time embedding, ``[1, time_channels]`` or ``[n, time_channels]``.
        prompt: prompt embedding ``[p, length, d]`` with p dividing n; None where there is no cross-attention.
        structure: width -> structure condition ``[n, structure_channels, h, width]``.
        num_frames: frames in a window.
        deep: features to keep or to go on from; None does neither.
    """

    time: Tensor
    prompt: Tensor | None
    structure: Mapping[int, Tensor]
    num_frames: int
    deep: DeepFeatures | None = None

    def complete(self, skips: Sequence[Tensor]) -> bool:
        """Whether no more skips are wanted, because the deep features are there already."""
        return self.deep is not None and self.deep.reused and len(skips) == self.deep.skips


@dataclass(frozen=True, slots=True)
class BlockSettings:
    """What all blocks of one UNet have in common.

    Attributes:
        time_channels: channels of the time embedding.
        structure_channels: channels of the structure condition.
        spade_hidden: hidden channels of the spatially adaptive normalisation.
        norm_groups: groups of all group norms.
        head_channels: channels of an attention head; None where ``num_heads`` counts.
        num_heads: attention heads at every width.
        transformer_layers: transformer blocks in each transformer.
        cross_attention_dim: width of the prompt embedding, or None for no cross-attention.
    """

    time_channels: int
    structure_channels: int
    spade_hidden: int
    norm_groups: int
    head_channels: int | None
    num_heads: int
    transformer_layers: int
    cross_attention_dim: int | None

    def heads(self, channels: int) -> int:
        """Return the number of attention heads at this width; ValueError if they cannot share the channels."""
        return head_count(channels, self.num_heads, self.head_channels)

    def resnet(self, in_channels: int, out_channels: int) -> StructuredResnetBlock:
        """Build a residual block with the structure condition."""
        return StructuredResnetBlock(
            in_channels,
            out_channels,
            time_channels=self.time_channels,
            structure_channels=self.structure_channels,
            spade_hidden=self.spade_hidden,
            norm_groups=self.norm_groups,
        )

    def transformer(self, channels: int) -> SpatialTransformer:
        """Build a transformer over the places of a frame."""
        return SpatialTransformer(
            channels,
            self.heads(channels),
            layers=self.transformer_layers,
            cross_attention_dim=self.cross_attention_dim,
            norm_groups=self.norm_groups,
        )


class UNetLevel(nn.Module):
    """Residual blocks at one resolution, each followed by a transformer or by none.

    Args:
        in_channels: channels that enter each residual block, skip connections included.
        out_channels: channels that leave each of them.
        settings: what all blocks share.
        attention: whether the blocks have transformers.
    """

    def __init__(self, in_channels: Sequence[int], out_channels: int, settings: BlockSettings, attention: bool) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(settings.resnet(width, out_channels) for width in in_channels)
        self.transformers = nn.ModuleList(settings.transformer(out_channels) for _ in in_channels if attention)

    def block(self, index: int, x: Tensor, conditions: Conditions) -> Tensor:
        """Run one residual block and its transformer on ``[n, in_channels[index], h, w]``."""
        x = self.resnets[index](x, conditions.time, conditions.structure)
        if self.transformers:
            x = self.transformers[index](x, conditions.prompt)
        return x


class DownLevel(UNetLevel):
    """A level of the way down; ``halve`` says whether a halving of the size follows."""

    def __init__(
        self, in_channels: Sequence[int], out_channels: int, settings: BlockSettings, attention: bool, halve: bool
    ) -> None:
        super().__init__(in_channels, out_channels, settings, attention)
        self.downsampler = (
            Downsample2D(out_channels, use_conv=True, out_channels=out_channels, name="op") if halve else None
        )

    def forward(self, x: Tensor, skips: list[Tensor], conditions: Conditions) -> Tensor:
        """Map ``[n, in_channels[0], h, w]`` to the next level's input; every block's output is put on ``skips``."""
        for index in range(len(self.resnets)):
            if conditions.complete(skips):
                return x
            x = self.block(index, x, conditions)
            skips.append(x)
        if self.downsampler is not None and not conditions.complete(skips):
            x = self.downsampler(x)
            skips.append(x)
        return x


class UpLevel(UNetLevel):
    """A level of the way up; ``double`` says whether a doubling of the size follows."""

    def __init__(
        self, in_channels: Sequence[int], out_channels: int, settings: BlockSettings, attention: bool, double: bool
    ) -> None:
        super().__init__(in_channels, out_channels, settings, attention)
        self.upsampler = Upsample2D(out_channels, use_conv=True, out_channels=out_channels) if double else None

    def forward(self, x: Tensor, skips: list[Tensor], conditions: Conditions, first: int = 0) -> Tensor:
        """Map ``[n, c, h, w]`` to the next level's input; every block takes one of ``skips`` off the end.

        ``first`` is the number of the block to begin with.
        """
        for index in range(first, len(self.resnets)):
            if conditions.deep is not None:
                conditions.deep.pass_by(x, len(skips))
            x = self.block(index, torch.cat((x, skips.pop()), dim=1), conditions)
        if self.upsampler is not None:
            # An odd size was rounded up on the way down: go back to what it was.
            x = self.upsampler(x, output_size=skips[-1].shape[-2:])
        return x


class MiddleBlock(nn.Module):
    """The deepest part, and the only one with temporal layers.

    Residual block, temporal convolution, transformer, temporal attention, residual block, temporal convolution.
    """

    def __init__(self, channels: int, settings: BlockSettings) -> None:
        super().__init__()
        heads = settings.heads(channels)
        self.resnets = nn.ModuleList(settings.resnet(channels, channels) for _ in range(2))
        self.temporal_convs = nn.ModuleList(SpatialTemporalConv(channels) for _ in range(2))
        self.transformer = settings.transformer(channels)
        self.temporal_attention = TemporalAttention(channels, heads, channels // heads)

    def forward(self, x: Tensor, conditions: Conditions) -> Tensor:
        """Map ``[n, channels, h, w]`` to the same shape."""
        x = self.resnets[0](x, conditions.time, conditions.structure)
        x = self.temporal_convs[0](x, conditions.num_frames)
        x = self.transformer(x, conditions.prompt)
        x = self.temporal_attention(x, conditions.num_frames)
        x = self.resnets[1](x, conditions.time, conditions.structure)
        return self.temporal_convs[1](x, conditions.num_frames)
