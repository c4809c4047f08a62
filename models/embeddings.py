"""The embedding of the diffusion timestep (golden README section 2)."""

from __future__ import annotations

from diffusers.models.embeddings import TimestepEmbedding, Timesteps
from torch import Tensor, nn


class TimeEmbedding(nn.Module):
    """Cosines and sines of the timestep (cosines first), then two linear layers with SiLU between them.

    Args:
        channels: number of cosines and sines together; the result has four times as many.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.waves = Timesteps(channels, flip_sin_to_cos=True, downscale_freq_shift=0)
        self.mlp = TimestepEmbedding(channels, 4 * channels)

    @property
    def channels(self) -> int:
        """Channels of the embedding."""
        return int(self.mlp.linear_2.out_features)

    def forward(self, timesteps: Tensor) -> Tensor:
        """Embed ``timesteps [n]`` (or ``[1]``, for all frames) as ``[n, 4 * channels]``."""
        dtype = self.mlp.linear_1.weight.dtype
        return self.mlp(self.waves(timesteps).to(dtype))
