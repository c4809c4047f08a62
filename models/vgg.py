"""VGG-16 as a judge of pictures (Simonyan and Zisserman 2015, arXiv 1409.1556, table 1, column D).

Reelift ships no weights of it. Who has the usual file (``features.0.weight`` ... of ImageNet training), and the weights
of LPIPS' layers (arXiv 1801.03924), can train with them: ``training.perceptual``.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

BLOCKS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
"""Width and number of convolutions of each block; a block's last activation is a layer of the judge."""


class VGGFeatures(nn.Module):
    """The activations after the last rectifier of each of the five blocks."""

    mean: Tensor
    deviation: Tensor

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        self.ends: list[int] = []
        channels = 3
        for width, count in BLOCKS:
            for _ in range(count):
                layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
                channels = width
            self.ends.append(len(layers) - 1)
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers[:-1])
        # Of ImageNet's pictures, by channel, in [0, 1].
        statistics = {"mean": [0.485, 0.456, 0.406], "deviation": [0.229, 0.224, 0.225]}
        for name, values in statistics.items():
            self.register_buffer(name, torch.tensor(values).view(1, 3, 1, 1), persistent=False)

    def forward(self, frames: Tensor) -> Sequence[Tensor]:
        """Frames ``[n, 3, H, W]`` in [-1, 1] -> five activations, of H / 1, 2, 4, 8, 16."""
        x = ((frames + 1) / 2 - self.mean) / self.deviation
        found = []
        for number, layer in enumerate(self.features):
            x = layer(x)
            if number in self.ends:
                found.append(x)
        return found
