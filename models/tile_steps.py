"""The steps that ``models.exact_tiles`` runs tile by tile: what each does to a part, and what it needs for that."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.tiling import Tile

Size = tuple[int, int]
"""Height and width."""


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """An activation ``[n, c, h, w]``, and where on the canvas (of its own resolution) it lies."""

    x: Tensor
    place: Tile

    def within(self, tile: Tile) -> Placed:
        """The part of it in a tile that lies within its place; a view."""
        top, left = self.place.top, self.place.left
        part = Tile(tile.top - top, tile.left - left, tile.bottom - top, tile.right - left)
        return Placed(part.crop(self.x), tile)


@dataclass(frozen=True, slots=True)
class Layer:
    """Convolutions of stride 1 that pad with zeros, and what acts on each pixel by itself.

    Attributes:
        function: ``[n, c, h, w] -> [n, d, h, w]``.
        margin: how many pixels beyond its own it sees: the number of 3 x 3 convolutions, one after the other.
    """

    function: Callable[[Tensor], Tensor]
    margin: int = 0

    def source(self, tile: Tile) -> Tile:
        """What is needed for a tile of the output; it may reach beyond the canvas."""
        m = self.margin
        return Tile(tile.top - m, tile.left - m, tile.bottom + m, tile.right + m)

    def size(self, size: Size) -> Size:
        """Of the output."""
        return size

    def __call__(self, given: Placed) -> Placed:
        """The output over all of the given place; wrong, within the margin, where that is not the canvas's edge."""
        return Placed(self.function(given.x), given.place)


@dataclass(frozen=True, slots=True)
class Doubling:
    """Repetition of every pixel to twice the size, and a 3 x 3 convolution."""

    function: Callable[[Tensor], Tensor]

    def source(self, tile: Tile) -> Tile:
        """See ``Layer``."""
        return Tile((tile.top - 1) // 2, (tile.left - 1) // 2, tile.bottom // 2 + 1, tile.right // 2 + 1)

    def size(self, size: Size) -> Size:
        """See ``Layer``."""
        return 2 * size[0], 2 * size[1]

    def __call__(self, given: Placed) -> Placed:
        """See ``Layer``."""
        p = given.place
        return Placed(self.function(given.x), Tile(2 * p.top, 2 * p.left, 2 * p.bottom, 2 * p.right))


@dataclass(frozen=True, slots=True)
class Halving:
    """A 3 x 3 convolution of stride 2 that pads one row below and one column to the right."""

    function: Callable[[Tensor], Tensor]

    def source(self, tile: Tile) -> Tile:
        """See ``Layer``."""
        return Tile(2 * tile.top, 2 * tile.left, 2 * tile.bottom + 1, 2 * tile.right + 1)

    def size(self, size: Size) -> Size:
        """See ``Layer``."""
        return size[0] // 2, size[1] // 2

    def __call__(self, given: Placed) -> Placed:
        """See ``Layer``; a row that the padding would add is not counted in."""
        p, x = given.place, self.function(given.x)
        top, left = p.top // 2, p.left // 2
        return Placed(x, Tile(top, left, top + x.shape[-2], left + x.shape[-1]))


@dataclass(frozen=True, slots=True)
class Save:
    """Lay the activation aside for a ``Merge`` at the same resolution."""


@dataclass(frozen=True, slots=True)
class Merge:
    """Join the activation with the last one laid aside.

    Attributes:
        function: (activation, laid aside, part of ``beside``) -> activation, each pixel by itself.
        beside: ``[n, c, h, w]`` of the whole canvas, or None.
        forget: whether what was laid aside is not needed again.
    """

    function: Callable[[Tensor, Tensor, Tensor | None], Tensor]
    beside: Tensor | None = None
    forget: bool = True

    def __call__(self, given: Placed, saved: Placed) -> Placed:
        """The joined activation at the given place."""
        beside = None if self.beside is None else given.place.crop(self.beside)
        return Placed(self.function(given.x, saved.within(given.place).x, beside), given.place)


@dataclass(frozen=True, slots=True)
class Keep:
    """Hand the whole activation out, too: ``TiledChain`` gives it to ``function``."""

    function: Callable[[Tensor], None]


class NormSiLU:
    """A group norm over all of the canvas, and SiLU.

    Statistics come tile by tile and are merged in float64, by counts, means and sums of squared deviations (Chan, Golub
    and LeVeque 1983): there is no difference of large numbers, as there would be with plain sums of squares.
    """

    def __init__(self, norm: nn.GroupNorm) -> None:
        self._norm = norm
        self._count = 0
        self._mean: Tensor | float = 0.0
        self._deviations: Tensor | float = 0.0
        self._affine: tuple[Tensor, Tensor] | None = None

    def add(self, x: Tensor) -> None:
        """Take the statistics of one tile ``[n, c, h, w]`` in; tiles must not overlap."""
        found = [self._measure(part) for part in _in_float32(x)]
        variance, mean = (torch.cat(parts).double() for parts in zip(*found, strict=True))
        count = x[0].numel() // self._norm.num_groups
        total, distance = self._count + count, mean - self._mean
        self._mean = self._mean + distance * (count / total)
        self._deviations = self._deviations + variance * count + distance.square() * (self._count * count / total)
        self._count, self._affine = total, None

    def _measure(self, x: Tensor) -> tuple[Tensor, Tensor]:
        groups = x.unflatten(1, (self._norm.num_groups, -1))
        return torch.var_mean(groups, dim=(2, 3, 4), correction=0)

    def _scale_and_shift(self) -> tuple[Tensor, Tensor]:
        """``[n, c, 1, 1]`` each, float32."""
        if not isinstance(self._mean, Tensor) or not isinstance(self._deviations, Tensor):
            raise RuntimeError("a norm is applied before it has been measured")
        each = self._norm.num_channels // self._norm.num_groups
        inverse = (self._deviations / self._count + self._norm.eps).rsqrt().repeat_interleave(each, dim=1)
        scale = inverse * self._norm.weight
        shift = self._norm.bias - self._mean.repeat_interleave(each, dim=1) * scale
        return scale.float()[..., None, None], shift.float()[..., None, None]

    def __call__(self, given: Placed) -> Placed:
        """The normalised activation, by the statistics of all tiles; RuntimeError if ``add`` has seen none."""
        if self._affine is None:
            self._affine = self._scale_and_shift()
        scale, shift = self._affine
        if given.x.dtype == torch.float32:
            return Placed(functional.silu(torch.addcmul(shift, given.x, scale), inplace=True), given.place)
        normalised = torch.empty_like(given.x)
        for frame, x in enumerate(_in_float32(given.x)):
            normalised[frame] = functional.silu(torch.addcmul(shift[frame], x[0], scale[frame]), inplace=True)
        return Placed(normalised, given.place)


def _in_float32(x: Tensor) -> Iterator[Tensor]:
    """All frames at once where they are float32; else one by one, so that there is never such a copy of all of them."""
    if x.dtype == torch.float32:
        yield x
    else:
        yield from (frame.float() for frame in x.split(1))


Step = Layer | Doubling | Halving | Save | Merge | Keep | NormSiLU
