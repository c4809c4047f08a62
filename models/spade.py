"""Spatially adaptive normalisation: where the structure condition enters the UNet (golden README section 3)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from diffusers.models.resnet import ResnetBlock2D
from torch import Tensor, nn
from torch.nn import functional

from models.lean_resnet import in_place, trunk

UNET_EPS = 1e-5


class Spade(nn.Module):
    """Normalise ``h`` and give each place its own scale and shift: ``GN(h) * (1 + gamma(s)) + beta(s)``.

    In a new layer ``gamma`` and ``beta`` are zero: until it is trained, the structure condition has no effect.

    Args:
        channels: channels of ``h``.
        structure_channels: channels of the structure condition ``s``.
        hidden_channels: channels between ``s`` and gamma and beta.
        norm_groups: groups of the group norm, which has a scale and shift of its own.
    """

    def __init__(self, channels: int, structure_channels: int, hidden_channels: int, norm_groups: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(norm_groups, channels, eps=UNET_EPS)
        self.shared = nn.Conv2d(structure_channels, hidden_channels, kernel_size=3, padding=1)
        self.gamma = nn.Conv2d(hidden_channels, channels, kernel_size=3, padding=1)
        self.beta = nn.Conv2d(hidden_channels, channels, kernel_size=3, padding=1)
        for conv in (self.gamma, self.beta):
            for parameter in conv.parameters():
                nn.init.zeros_(parameter)

    def forward(self, h: Tensor, structure: Tensor) -> Tensor:
        """Modulate ``h [n, channels, h, w]`` by ``structure [n, structure_channels, h, w]``."""
        if h.shape[-2:] != structure.shape[-2:]:
            raise ValueError(f"structure of size {tuple(structure.shape[-2:])} for latents of {tuple(h.shape[-2:])}")
        hidden = functional.relu(self.shared(structure), inplace=in_place())
        gamma, beta = self.gamma(hidden), self.beta(hidden)
        if in_place():
            return beta.addcmul_(self.norm(h), gamma.add_(1))
        return torch.addcmul(beta, self.norm(h), 1 + gamma)


class StructuredResnetBlock(ResnetBlock2D):
    """Residual block with the structure condition applied to its branch, just before the skip connection is added.

    ``structure`` holds one tensor per width; the block takes the one that is as wide as its input.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        time_channels: int,
        structure_channels: int,
        spade_hidden: int,
        norm_groups: int,
    ) -> None:
        super().__init__(
            in_channels=in_channels,
            out_channels=out_channels,
            temb_channels=time_channels,
            groups=norm_groups,
            eps=UNET_EPS,
        )
        self.spade = Spade(out_channels, structure_channels, spade_hidden, norm_groups)

    def forward(self, x: Tensor, time: Tensor, structure: Mapping[int, Tensor]) -> Tensor:
        """Map ``x [n, in_channels, h, w]`` to ``[n, out_channels, h, w]``.

        Args:
            x: the frames.
            time: time embedding, ``[n, time_channels]`` or ``[1, time_channels]``.
            structure: width -> structure condition ``[n, structure_channels, h, width]``.

        Raises:
            ValueError: there is no structure condition of this width.
        """
        width = x.shape[-1]
        if width not in structure:
            raise ValueError(f"no structure condition of width {width}, only of {sorted(structure)}")
        h = self.spade(trunk(self, x, time), structure[width])
        return h + (x if self.conv_shortcut is None else self.conv_shortcut(x))
