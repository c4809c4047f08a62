"""Convolutions of 3x3 that end in few channels, on CPUs: one product of matrices, and nine sums of its shifted parts.

A direct convolution shares what it reads among its outputs; of three there are too few to share it among. As a product
of matrices each pixel is read once, for the 27 numbers that it gives to the outputs around it. The result differs from
the direct sum's by rounding. What it gains is in docs/performance.md.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.parallel import in_parallel

MOST_OUTPUTS, LEAST_INPUTS = 4, 16
"""Channels of a convolution for which it pays."""
LEAST_PIXELS = 4096
"""Of a picture; on smaller ones the sums cost what the product saves."""
LARGEST = 2**21
"""Elements of the product: pictures that would make more are cut into strips."""


def is_narrow(conv: nn.Conv2d) -> bool:
    """Whether it is a convolution of this kind."""
    shape = conv.kernel_size, conv.padding, conv.stride, conv.dilation, conv.groups, conv.padding_mode
    few = conv.out_channels <= MOST_OUTPUTS and conv.in_channels >= LEAST_INPUTS
    return few and shape == ((3, 3), (1, 1), (1, 1), (1, 1), 1, "zeros")


class NarrowConv2d(nn.Conv2d):
    """One that ``is_narrow``; where gradients are recorded, and not in float32 on a CPU, the direct convolution."""

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[n, in_channels, h, w]`` to ``[n, out_channels, h, w]``."""
        if torch.is_grad_enabled() or torch.compiler.is_compiling() or not self._pays(x):
            return super().forward(x)
        return _convolved(x, self.weight, self.bias)

    def _pays(self, x: Tensor) -> bool:
        single = x.dtype == self.weight.dtype == torch.float32
        return single and x.device.type == "cpu" and x.ndim == 4 and x.shape[2] * x.shape[3] >= LEAST_PIXELS


def _convolved(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    count, channels, height, width = x.shape
    outputs = len(weight)
    taps = weight.permute(2, 3, 0, 1).reshape(9 * outputs, channels)
    rows = max(2, LARGEST // (len(taps) * width))
    found = x.new_zeros(count, outputs, height, width)
    if bias is not None:
        found += bias[:, None, None]

    def fill(piece: tuple[int, int]) -> None:
        number, top = piece
        bottom = min(top + rows, height)
        first, last = max(0, top - 1), min(bottom + 1, height)
        product = taps @ x[number, :, first:last].reshape(channels, -1)
        parts = product.view(3, 3, outputs, last - first, width)
        for down in range(3):
            # An output takes from the row above it what that row gives by the kernel's first row, and so on.
            begin, end = max(top, first + 1 - down), min(bottom, last + 1 - down)
            taken = slice(begin + down - 1 - first, end + down - 1 - first)
            for right in range(3):
                left, stop = max(0, 1 - right), min(width, width + 1 - right)
                share = parts[down, right, :, taken, left + right - 1 : stop + right - 1]
                found[number, :, begin:end, left:stop] += share

    in_parallel(fill, [(number, top) for number in range(count) for top in range(0, height, rows)])
    return found
