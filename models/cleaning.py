"""Cleaning of low-resolution frames before they are propagated.

A recurrent network carries what it takes for detail from frame to frame, and noise with it: on real damage errors grow
with the length of the shot. So each frame is cleaned by itself first, by a residual network whose result is held to the
clean frame's size-reduced picture ("Investigating Tradeoffs in Real-World Video Super-Resolution", Chan et al., CVPR
2022: the pre-cleaning module, its loss, and its repetition while it still changes much).
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from models.residual import ResidualBlock


class CleaningNetwork(nn.Module):
    """Adds a correction to each frame; untrained, its last layer is zero and it is exactly the identity.

    Args:
        channels: width.
        num_blocks: residual blocks.
        passes: how often it is applied at most.
        threshold: a frame that the last pass has changed by less than this, on average, is done.
    """

    def __init__(self, channels: int, num_blocks: int, passes: int = 1, threshold: float = 0.02) -> None:
        super().__init__()
        self.passes, self.threshold = passes, threshold
        self.input = nn.Conv2d(3, channels, 3, padding=1)
        self.blocks = nn.Sequential(*(ResidualBlock(channels) for _ in range(num_blocks)))
        self.output = nn.Conv2d(channels, 3, 3, padding=1)
        nn.init.zeros_(self.output.weight)
        if self.output.bias is not None:
            nn.init.zeros_(self.output.bias)

    def forward(self, frames: Tensor) -> Tensor:
        """Clean frames, each by itself: ``[N, 3, h, w]`` in [0, 1] -> the same shape, not clamped."""
        active = frames.new_ones(len(frames), 1, 1, 1)
        for number in range(self.passes):
            if number and not active.any():
                break
            features = self.blocks(functional.leaky_relu(self.input(frames), 0.1))
            correction = self.output(features) * active
            frames = frames + correction
            active = active * (correction.abs().mean((1, 2, 3), keepdim=True) >= self.threshold)
        return frames
