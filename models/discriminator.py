"""The discriminator of the decoder's training: is this patch of a frame real? (Isola et al. 2017, arXiv 1611.07004)"""

from __future__ import annotations

from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn

SLOPE = 0.2
"""Of the leaky rectifier on the negative side."""


class PatchDiscriminator(ModelMixin, ConfigMixin):
    """Convolutions of 4 x 4 that give a score for each of many overlapping patches, 70 x 70 pixels with the defaults.

    The published training judges every frame for itself, with batch norms; key names and shapes are those of its
    checkpoint (``loss.discriminator.*``), so that one can go on from there. Widths double from layer to layer, up to
    eight times the first; all strides are 2 but those of the last two layers.

    Args:
        in_channels: channels of a frame.
        base_channels: channels after the first convolution.
        layers: convolutions of stride 2.
    """

    @register_to_config
    def __init__(self, in_channels: int = 3, base_channels: int = 64, layers: int = 3) -> None:
        super().__init__()
        if layers < 1:
            raise ValueError(f"a discriminator needs at least one layer, not {layers}")
        width = base_channels
        main: list[nn.Module] = [nn.Conv2d(in_channels, width, 4, stride=2, padding=1), nn.LeakyReLU(SLOPE)]
        for layer in range(1, layers + 1):
            wider = base_channels * min(2**layer, 8)
            stride = 2 if layer < layers else 1
            # The norm after it has a bias of its own.
            main += [nn.Conv2d(width, wider, 4, stride, padding=1, bias=False), nn.BatchNorm2d(wider)]
            main.append(nn.LeakyReLU(SLOPE))
            width = wider
        self.main = nn.Sequential(*main, nn.Conv2d(width, 1, 4, stride=1, padding=1))
        self.main.apply(_initialise)

    def forward(self, frames: Tensor) -> Tensor:
        """Judge ``frames [n, in_channels, H, W]`` in [-1, 1].

        Returns:
            scores ``[n, 1, h, w]`` without bounds, high for real; with the defaults h = H / 8 - 2.
        """
        return self.main(frames)


def _initialise(module: nn.Module) -> None:
    """As in the paper's appendix: weights with deviation 0.02, those of norms about 1."""
    if isinstance(module, nn.Conv2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)
