"""The denoising UNet of MGLD-VSR (golden README section 3)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import cast

from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn
from torch.nn import functional

from models.deep_features import DeepFeatures
from models.embeddings import TimeEmbedding
from models.layers import per_level
from models.spade import UNET_EPS
from models.temporal import count_windows
from models.unet_blocks import BlockSettings, Conditions, DownLevel, MiddleBlock, UpLevel


class DenoisingUNet(ModelMixin, ConfigMixin):
    """Noisy latents, timestep, prompt and structure condition to the predicted noise.

    Args:
        in_channels: channels of a latent.
        out_channels: channels of the prediction.
        base_channels: channels after the first convolution, and of the timestep's cosines and sines; None means the
            first of ``block_out_channels``.
        block_out_channels: channels of each level, from full size down; each level but the last halves the size.
        layers_per_block: residual blocks of a level on the way down, for all or for each; one more on the way up.
        attention_resolutions: downsampling factors (1, 2, 4, ...) at which residual blocks have a transformer; the
            middle always has one.
        head_channels: channels of an attention head; None means that ``num_heads`` counts.
        num_heads: attention heads at every width, used where ``head_channels`` is None.
        transformer_layers: transformer blocks in each transformer.
        cross_attention_dim: width of the prompt embedding; None builds transformers without cross-attention, and the
            prompt is ignored.
        structure_channels: channels of the structure condition.
        spade_hidden: hidden channels of the spatially adaptive normalisation (128 in the published network).
        norm_groups: groups of all group norms.
        num_frames: frames in a window, unless ``forward`` is told otherwise.
    """

    @register_to_config
    def __init__(
        self,
        in_channels: int = 4,
        out_channels: int = 4,
        base_channels: int | None = None,
        block_out_channels: Sequence[int] = (320, 640, 1280, 1280),
        layers_per_block: int | Sequence[int] = 2,
        attention_resolutions: Sequence[int] = (4, 2, 1),
        head_channels: int | None = 64,
        num_heads: int = 8,
        transformer_layers: int = 1,
        cross_attention_dim: int | None = 1024,
        structure_channels: int = 256,
        spade_hidden: int = 128,
        norm_groups: int = 32,
        num_frames: int = 5,
    ) -> None:
        super().__init__()
        base = block_out_channels[0] if base_channels is None else base_channels
        levels = len(block_out_channels)
        layers = per_level(layers_per_block, levels)
        self.time_embedding = TimeEmbedding(base)
        settings = BlockSettings(
            time_channels=self.time_embedding.channels,
            structure_channels=structure_channels,
            spade_hidden=spade_hidden,
            norm_groups=norm_groups,
            head_channels=head_channels,
            num_heads=num_heads,
            transformer_layers=transformer_layers,
            cross_attention_dim=cross_attention_dim,
        )
        attention = [2**level in attention_resolutions for level in range(levels)]
        self.conv_in = nn.Conv2d(in_channels, base, kernel_size=3, padding=1)
        self.down_levels = nn.ModuleList(
            DownLevel(
                in_channels=[before] + [after] * (layers[level] - 1),
                out_channels=after,
                settings=settings,
                attention=attention[level],
                halve=level < levels - 1,
            )
            for level, (before, after) in enumerate(pairwise((base, *block_out_channels)))
        )
        self.middle = MiddleBlock(block_out_channels[-1], settings)
        skips = skip_channels(base, block_out_channels, layers)
        self.up_levels = nn.ModuleList()
        arriving = block_out_channels[-1]
        for level in reversed(range(levels)):
            width = block_out_channels[level]
            entering = [arriving] + [width] * layers[level]
            self.up_levels.append(
                UpLevel(
                    in_channels=[channels + skips.pop() for channels in entering],
                    out_channels=width,
                    settings=settings,
                    attention=attention[level],
                    double=level > 0,
                )
            )
            arriving = width
        self.norm_out = nn.GroupNorm(norm_groups, arriving, eps=UNET_EPS)
        self.conv_out = nn.Conv2d(arriving, out_channels, kernel_size=3, padding=1)

    def forward(
        self,
        latents: Tensor,
        timesteps: Tensor,
        prompt: Tensor | None,
        structure: Mapping[int, Tensor],
        num_frames: int | None = None,
        deep: DeepFeatures | None = None,
    ) -> Tensor:
        """Predict the noise in whole windows of frames.

        Args:
            latents: ``[n, in_channels, h, w]``, scaled and noisy; of any size.
            timesteps: ``[1]`` for all frames or ``[n]``.
            prompt: ``[p, length, cross_attention_dim]``, p dividing n: each prompt serves n / p consecutive frames.
                Ignored without cross-attention.
            structure: width -> condition ``[n, structure_channels, h', width]``, as ``StructureEncoder`` gives it for
                latents of this size; it must have every width of the UNet and may have more.
            num_frames: frames in a window; n must be a multiple. None means the configured number.
            deep: deep features to be kept there, or to go on from; None computes all and keeps nothing.

        Returns:
            ``[n, out_channels, h, w]``.

        Raises:
            ValueError: the frames are not whole windows, a condition does not fit, or there are not so many skips.
        """
        num_frames = self.config.num_frames if num_frames is None else num_frames
        count_windows(latents.shape[0], num_frames)
        prompt = None if self.config.cross_attention_dim is None else prompt
        blocks = self._blocks_up()
        if deep is not None and not 1 <= deep.skips < sum(blocks):
            raise ValueError(f"{deep.skips} skip connections to compute anew: must be from 1 to {sum(blocks) - 1}")
        conditions = Conditions(self.time_embedding(timesteps), prompt, structure, num_frames, deep)
        x = self.conv_in(latents)
        skips = [x]
        for level in self.down_levels:
            x = level(x, skips, conditions)
        over = 0
        if deep is not None and deep.kept is not None:
            x, over = deep.kept, sum(blocks) - deep.skips
        else:
            x = self.middle(x, conditions)
        for level, count in zip(self.up_levels, blocks, strict=True):
            if over < count:
                x = level(x, skips, conditions, over)
            over = max(0, over - count)
        return self.conv_out(functional.silu(self.norm_out(x)))

    def levels_of(self, skips: int) -> int:
        """How many levels, from full size down, take part where ``skips`` skip connections are computed anew."""
        levels = 0
        for blocks in reversed(self._blocks_up()):
            if skips <= 0:
                break
            levels, skips = levels + 1, skips - blocks
        return levels

    def _blocks_up(self) -> list[int]:
        """How many blocks, which take a skip connection each, every level of the way up has."""
        return [len(level.resnets) for level in cast(Iterable[UpLevel], self.up_levels)]


def skip_channels(base: int, widths: Sequence[int], layers: Sequence[int]) -> list[int]:
    """Return the channels of every tensor that the way down puts on the stack, in that order."""
    skips = [base]
    for level, width in enumerate(widths):
        halved = level < len(widths) - 1
        skips += [width] * (layers[level] + halved)
    return skips
