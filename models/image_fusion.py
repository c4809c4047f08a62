"""Fusion of the low-quality frame itself into the decoder's last layer: ours, and off in the published network.

The published decoder fuses features at the middle levels alone; a small decoder spends most of its training on copying
what the frame already shows. Here the same form, ``d + w * f(cat(e, d))``, is used once more at full size.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional


class ImageFusion(nn.Module):
    """``d + w * ((e - d) + g(cat(e, d, h)))``, where g starts as zero: a new layer with w = 1 gives back the frame.

    Args:
        image_channels: channels of the decoded (d) and of the low-quality (e) frame, after pixel-unshuffling.
        hidden_channels: channels of the decoder's last hidden tensor (h), and of g's.
    """

    def __init__(self, image_channels: int, hidden_channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(2 * image_channels + hidden_channels, hidden_channels, kernel_size=3, padding=1)
        self.conv2 = nn.Conv2d(hidden_channels, image_channels, kernel_size=3, padding=1)
        nn.init.zeros_(self.conv2.weight)
        nn.init.zeros_(cast(Tensor, self.conv2.bias))

    def forward(self, decoded: Tensor, image: Tensor, hidden: Tensor, weight: float) -> Tensor:
        """Fuse ``image`` into ``decoded``, both ``[n, image_channels, h, w]``; ``weight`` 0 changes nothing."""
        correction = self.conv2(functional.silu(self.conv1(torch.cat((image, decoded, hidden), dim=1))))
        return decoded + weight * (image - decoded + correction)
