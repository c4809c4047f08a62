"""Attention as the networks use it: within a frame, and from a frame to the prompt."""

from __future__ import annotations

from typing import Any

from diffusers.models.attention_processor import Attention, AttnProcessor2_0
from diffusers.models.transformers.transformer_2d import Transformer2DModel
from torch import Tensor


def spatial_attention(channels: int, heads: int, norm_groups: int, eps: float) -> Attention:
    """Build self-attention over the places of one frame: GroupNorm, attention, projection, residual.

    Takes and returns ``[n, channels, h, w]``; ``channels`` must be divisible by ``heads``. Golden README sections 2
    (structure encoder) and 4 (VAE, one head).
    """
    if channels % heads:
        raise ValueError(f"{channels} channels cannot be shared among {heads} attention heads")
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


def spatial_transformer(
    channels: int, heads: int, layers: int, cross_attention_dim: int | None, norm_groups: int
) -> Transformer2DModel:
    """Build the UNet's transformer: GroupNorm, linear in, blocks, linear out, residual (golden README section 3).

    ``cross_attention_dim`` is the width of the prompt embedding, or None for blocks without cross-attention. Takes and
    returns ``[n, channels, h, w]``.
    """
    if channels % heads:
        raise ValueError(f"{channels} channels cannot be shared among {heads} attention heads")
    transformer = Transformer2DModel(
        num_attention_heads=heads,
        attention_head_dim=channels // heads,
        in_channels=channels,
        num_layers=layers,
        norm_num_groups=norm_groups,
        cross_attention_dim=cross_attention_dim,
        use_linear_projection=True,
    )
    if cross_attention_dim is not None:
        for block in transformer.transformer_blocks:
            block.attn2.set_processor(PromptAttnProcessor())
    return transformer
