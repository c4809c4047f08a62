"""Convolutions of 3x3 and 7x7 in fewer multiplications, on CPUs.

Winograd's minimal filtering (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016) makes 6x6
pixels from 8x8 in 64 multiplications per pair of channels instead of 324. NNPACK, which torch carries, computes it; for
large pictures and kernels of 7x7 it takes Fourier transforms instead. The result differs from the direct sum's by
rounding (a few 1e-6 of it). It is the same for any number of threads, and, for pictures of ``ALONE`` pixels and more,
the same alone and in a batch. In compiled networks it is an operation that torch does not look into. In training, what
goes back to a layer's input is made the same way, too, and only the weights' own gradient by the direct sum. What it
gains is in docs/performance.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from models.narrow_convolution import NarrowConv2d, is_narrow
from models.parallel import in_parallel

TILE = 6
COVERED = 0.6
"""Least share of the tiles' pixels that belong to pictures, for 3x3: sides of 12 fill all, of 16 79 %, of 8 44 %
alone and 79 % if twenty are laid side by side."""
WIDE, NARROW = 32, 12
"""Least channels of the wider and of the narrower side. Below, transforms cost what they save."""
PIXELS = 256
"""Of a whole batch at least: the weights are transformed in every call, which does not pay for one picture of 12x12."""
ALONE = 2048
"""Pictures of so many pixels are computed one at a time: as fast or faster than a batch, in less memory."""
SPARED, MANY = 0.8, 96
"""Small pictures are laid side by side if that leaves so small a share of the tiles, or if they have so many channels:
NNPACK goes through one picture in pieces that the cache holds, and through many with all of their tiles at once."""
LARGEST = 2**24
"""Elements of a picture's input and output; beyond that it is cut into strips. The work space is some 5 bytes each."""


class WinogradConv2d(nn.Conv2d):
    """A convolution that keeps the size and takes the fast way where it pays, and else the direct one."""

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[n, in_channels, h, w]`` to ``[n, out_channels, h, w]``."""
        if not self._pays(x):
            return super().forward(x)
        if _recorded(x, self):
            return _Recorded.apply(x, self.weight, self.bias)
        fast = _opaque if torch.compiler.is_compiling() else _fast
        return fast(x, self.weight, self.bias)

    def _pays(self, x: Tensor) -> bool:
        if x.device.type != "cpu" or x.dtype != torch.float32 or self.weight.dtype != torch.float32 or x.ndim != 4:
            return False
        if _recorded(x, self) and (self.in_channels + self.out_channels) * x[:, 0].numel() > LARGEST:
            return False
        if len(x) * x.shape[2] * x.shape[3] < PIXELS:
            return False
        return self.kernel_size == (7, 7) or _layout(*x.shape)[1] >= COVERED


class _Recorded(torch.autograd.Function):
    """The fast way where gradients are recorded. Torch's own rule for it would make all of them by direct sums."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.bias_sizes = None if bias is None else list(bias.shape)
        return _fast(x, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        of_x, *of_parameters = ctx.needs_input_grad
        # The way back of a convolution is one with the kernels turned about and the channels' sides exchanged.
        back = _fast(gradient, weight.flip(2, 3).transpose(0, 1), None) if of_x else None
        padding, ones = [weight.shape[-1] // 2] * 2, [1, 1]
        wanted = [False, *of_parameters]
        rest = torch.ops.aten.convolution_backward(
            gradient, x, weight, ctx.bias_sizes, ones, padding, ones, False, [0, 0], 1, wanted
        )
        return back, rest[1], rest[2]


def use_winograd(networks: Iterable[nn.Module], on: bool = True) -> None:
    """Let the networks' convolutions take the fast way, or no longer; weights and results stay what they are.

    Those that end in few channels take a way of their own (``models.narrow_convolution``). Does nothing where it is not
    known to pay: on processors without AVX2. Of those with AVX-512 it has been measured on AMD's alone.

    Args:
        networks: changed in place.
        on: False undoes it.
    """
    if on and not available():
        return
    for network in networks:
        for module in network.modules():
            if isinstance(module, nn.Conv2d) and type(module) in (nn.Conv2d, WinogradConv2d, NarrowConv2d):
                module.__class__ = _way_of(module) if on else nn.Conv2d


@cache
def available() -> bool:
    """Whether this machine can do it, and is one of those for which it is known to pay."""
    # The question also sets NNPACK up, without which its convolutions fail.
    if torch.backends.cpu.get_cpu_capability() not in ("AVX2", "AVX512") or not torch.backends.nnpack.is_available():
        return False
    # Its threads are made once for a process, as many as torch has at the first call, and serve one caller at a time.
    # One: pieces of the work are shared out (models.parallel), whose threads then do not wait for each other.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    _nnpack(torch.zeros(1, 1, 1, 1), torch.zeros(1, 1, 3, 3), None)
    torch.set_num_threads(threads)
    return True


def _way_of(conv: nn.Conv2d) -> type[nn.Conv2d]:
    if _fits(conv):
        return WinogradConv2d
    return NarrowConv2d if is_narrow(conv) else nn.Conv2d


def _fits(conv: nn.Conv2d) -> bool:
    channels = sorted((conv.in_channels, conv.out_channels))
    if (conv.stride, conv.dilation, conv.groups, conv.padding_mode) != ((1, 1), (1, 1), 1, "zeros"):
        return False
    if (conv.kernel_size, conv.padding) == ((7, 7), (3, 3)):
        return True  # several times as fast, whatever the channels
    return (conv.kernel_size, conv.padding) == ((3, 3), (1, 1)) and channels[0] >= NARROW and channels[1] >= WIDE


def _recorded(x: Tensor, layer: nn.Module) -> bool:
    return torch.is_grad_enabled() and (x.requires_grad or any(each.requires_grad for each in layer.parameters()))


def _fast(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    height, width = x.shape[-2:]
    if height * width < ALONE:
        columns = _layout(*x.shape)[0] if weight.shape[-1] == 3 else 0
        return _side_by_side(x, weight, bias, columns) if columns else _nnpack(x, weight, bias)
    margin = weight.shape[-1] // 2
    rows = max(TILE, LARGEST // ((weight.shape[0] + weight.shape[1]) * width))
    if len(x) == 1 and rows >= height:
        return _nnpack(x, weight, bias)
    found = x.new_empty(len(x), len(weight), height, width)

    def fill(piece: tuple[int, int]) -> None:
        number, top = piece
        bottom, above = min(top + rows, height), max(0, top - margin)
        strip = _nnpack(x[number : number + 1, :, above : bottom + margin], weight, bias)
        found[number : number + 1, :, top:bottom] = strip[:, :, top - above : bottom - above]

    in_parallel(fill, [(number, top) for number in range(len(x)) for top in range(0, height, rows)])
    return found


def _layout(pictures: int, channels: int, height: int, width: int) -> tuple[int, float]:
    """How small pictures are laid side by side as a single one; those of ``ALONE`` pixels and more never are.

    Returns:
        Pictures in a row, 0 if they are better left apart, and the share of the tiles' pixels that belongs to them.
    """

    def tiles(height: int, width: int) -> int:
        return -(-height // TILE) * -(-width // TILE)

    pixels, apart = pictures * height * width / TILE**2, pictures * tiles(height, width)
    if pictures == 1 or height * width >= ALONE:
        return 0, pixels / apart
    best, fewest = pictures, tiles(height, pictures * (width + 1) - 1)
    for columns in (n for n in range(pictures - 1, 0, -1) if pictures % n == 0):
        count = tiles(pictures // columns * (height + 1) - 1, columns * (width + 1) - 1)
        if count < 0.9 * fewest:  # one row is copied soonest
            best, fewest = columns, count
    if channels >= MANY or fewest <= SPARED * apart:
        return best, pixels / fewest
    return 0, pixels / apart


def _side_by_side(x: Tensor, weight: Tensor, bias: Tensor | None, columns: int) -> Tensor:
    """Convolve small pictures as a single one, with a pixel of zeros between them, which is what lies around each."""
    pictures, channels, height, width = x.shape
    rows = pictures // columns
    canvas = x.new_zeros(channels, rows, height + 1, columns, width + 1)
    canvas[:, :, :height, :, :width] = x.reshape(rows, columns, channels, height, width).permute(2, 0, 3, 1, 4)
    found = _nnpack(canvas.view(1, channels, rows * (height + 1), columns * (width + 1)), weight, bias)
    apart = found.view(-1, rows, height + 1, columns, width + 1)[:, :, :height, :, :width]
    return apart.permute(1, 3, 0, 2, 4).reshape(pictures, -1, height, width).contiguous()


@torch.library.custom_op("reelift::fast_convolution", mutates_args=())
def _opaque(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """``_fast`` as one operation of a compiled network: torch does not look inside, and fuses what is around it."""
    return _fast(x.contiguous(), weight, bias)


@_opaque.register_fake
def _(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return x.new_empty(len(x), len(weight), *x.shape[2:])


def _nnpack(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return torch._nnpack_spatial_convolution(x, weight, bias, [weight.shape[-1] // 2] * 2, [1, 1])
