"""Attention as the networks use it: within a frame, and from a frame to the prompt."""

from __future__ import annotations

from typing import Any

from diffusers.models.attention import BasicTransformerBlock
from diffusers.models.attention_processor import Attention, AttnProcessor2_0
from torch import Tensor, nn


def head_count(channels: int, num_heads: int, head_channels: int | None) -> int:
    """Return the number of attention heads at a width.

    Args:
        channels: to be shared among the heads.
        num_heads: counts where ``head_channels`` is None.
        head_channels: channels of a head.

    Raises:
        ValueError: the heads cannot share the channels.
    """
    if head_channels is None:
        if num_heads < 1 or channels % num_heads:
            raise ValueError(f"{channels} channels cannot be shared among {num_heads} attention heads")
        return num_heads
    if head_channels < 1 or channels % head_channels:
        raise ValueError(f"{channels} channels cannot be cut into attention heads of {head_channels} channels")
    return channels // head_channels


def spatial_attention(channels: int, heads: int, norm_groups: int, eps: float) -> Attention:
    """Build self-attention over the places of one frame: GroupNorm, attention, projection, residual.

    Takes and returns ``[n, channels, h, w]``; ``heads`` must divide ``channels`` (``head_count``). Golden README
    sections 2 (structure encoder) and 4 (VAE, one head).
    """
    return Attention(
        query_dim=channels,
        heads=heads,
        dim_head=channels // heads,
        bias=True,
        norm_num_groups=norm_groups,
        eps=eps,
        residual_connection=True,
    )


class PromptAttnProcessor(AttnProcessor2_0):
    """Cross-attention in which each prompt serves several consecutive frames (golden README section 3).

    With p prompts and n frames, prompt i serves the frames ``[i * n / p, (i + 1) * n / p)``. Their tokens are laid end
    to end and asked of the prompt together, so its keys and values are computed once and never repeated.
    """

    def __call__(
        self, attn: Attention, hidden_states: Tensor, encoder_hidden_states: Tensor | None = None, **kwargs: Any
    ) -> Tensor:
        """Attend from ``hidden_states [n, tokens, c]`` to ``encoder_hidden_states [p, length, d]``."""
        if encoder_hidden_states is None:
            raise ValueError("a UNet built with cross-attention needs a prompt embedding")
        frames, tokens, _ = hidden_states.shape
        prompts = encoder_hidden_states.shape[0]
        if frames % prompts:
            raise ValueError(f"{prompts} prompts cannot be shared evenly among {frames} frames")
        together = hidden_states.reshape(prompts, frames // prompts * tokens, -1)
        attended = super().__call__(attn, together, encoder_hidden_states, **kwargs)
        return attended.reshape(frames, tokens, -1)


class SpatialTransformer(nn.Module):
    """The UNet's transformer: GroupNorm, linear in, blocks, linear out, residual (golden README section 3).

    Parameters are named as in diffusers' ``Transformer2DModel``, whose module would load half of diffusers and SciPy.

    Args:
        channels: that enter and leave.
        heads: of attention; must divide ``channels`` (``head_count``).
        layers: transformer blocks.
        cross_attention_dim: width of the prompt embedding, or None for blocks without cross-attention.
        norm_groups: of the norm before the blocks.
    """

    def __init__(
        self, channels: int, heads: int, layers: int, cross_attention_dim: int | None, norm_groups: int
    ) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(norm_groups, channels, eps=1e-6)
        self.proj_in = nn.Linear(channels, channels)
        blocks = [
            BasicTransformerBlock(channels, heads, channels // heads, cross_attention_dim=cross_attention_dim)
            for _ in range(layers)
        ]
        if cross_attention_dim is not None:
            for block in blocks:
                block.attn2.set_processor(PromptAttnProcessor())
        self.transformer_blocks = nn.ModuleList(blocks)
        self.proj_out = nn.Linear(channels, channels)

    def forward(self, x: Tensor, prompt: Tensor | None) -> Tensor:
        """Map ``x [n, channels, h, w]`` to the same shape; ``prompt [p, length, d]`` with p dividing n, or None."""
        tokens = self.proj_in(self.norm(x).flatten(2).transpose(1, 2))
        for block in self.transformer_blocks:
            tokens = block(tokens, encoder_hidden_states=prompt)
        return x + self.proj_out(tokens).transpose(1, 2).reshape(x.shape)
