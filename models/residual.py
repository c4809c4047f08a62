"""The residual block of restoration networks without normalisation (EDSR, Lim et al., CVPRW 2017, section 3.1)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from models.lean_resnet import added, in_place


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with a ReLU between them and no normalisation: ``[N, C, h, w]`` -> the same shape."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Add the block's correction to ``x``."""
        return added(self.conv2(functional.relu(self.conv1(x), inplace=in_place())), x)
