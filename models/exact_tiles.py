"""Chains of layers run tile by tile, with the result of running them over the whole canvas at once.

Convolutions see a few pixels beyond a tile, so each tile is computed with a margin that is cut off again. Group norms
see all of the canvas: their statistics are gathered over all tiles first, and applied in a second pass. Between two
norms there is little more than one convolution, so margins are narrow.

Activations are kept whole where they are small enough, in the place of one that is not needed again if that can be;
larger ones are never whole anywhere: what lies between them and the last one that was kept is computed again, tile by
tile, for every norm on the way. That is the price of the memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.tiling import Tile, partition

Size = tuple[int, int]


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
        groups = x.float().unflatten(1, (self._norm.num_groups, -1))
        variance, mean = (part.double() for part in torch.var_mean(groups, dim=(2, 3, 4), correction=0))
        count = groups[0, 0].numel()
        total, distance = self._count + count, mean - self._mean
        self._mean = self._mean + distance * (count / total)
        self._deviations = self._deviations + variance * count + distance.square() * (self._count * count / total)
        self._count, self._affine = total, None

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
        x = torch.addcmul(shift, given.x.float(), scale)
        return Placed(functional.silu(x, inplace=True).to(given.x.dtype), given.place)


Step = Layer | Doubling | Halving | Save | Merge | Keep | NormSiLU


@dataclass(slots=True, eq=False)
class _Whole:
    """What is kept of the whole canvas: the input of step ``position``, and what is laid aside there."""

    position: int
    x: Placed
    saved: list[Placed] = field(default_factory=list)


class TiledChain:
    """Runs steps over a canvas, tile by tile.

    Args:
        steps: one after the other; what they lay aside is joined again before the size changes.
        tile: largest side of a tile, in pixels of the input.
        largest: channels x height x width of the largest activation that may be whole in memory; the last one and those
            handed out always are.
    """

    def __init__(self, steps: Sequence[Step], tile: int, largest: int) -> None:
        self._steps, self._tile, self._largest = steps, tile, largest

    @torch.no_grad()
    def __call__(self, x: Tensor) -> Tensor:
        """``[n, c, h, w]`` through all steps, n and the rest as they make of it."""
        self._sizes: list[Size] = [(x.shape[-2], x.shape[-1])]
        for step in self._steps:
            size = self._sizes[-1]
            self._sizes.append(step.size(size) if isinstance(step, Layer | Doubling | Halving) else size)
        self._whole = _Whole(0, Placed(x, Tile(0, 0, *self._sizes[0])))
        self._lent = [x]
        for position, step in enumerate(self._steps):
            self._reach(position, step)
        self._gather(len(self._steps), always=True)
        return self._whole.x.x

    def _reach(self, position: int, step: Step) -> None:
        """Do what has to be done for the whole canvas before this step can be run for a tile."""
        if isinstance(step, NormSiLU):
            self._gather(position, step)
        elif isinstance(step, Keep):
            self._gather(position, always=True)
            step.function(self._whole.x.x)
            self._lent.append(self._whole.x.x)
            self._whole.position += 1
        elif isinstance(step, Save):
            self._gather(position)
            if self._whole.position == position:
                # By reference: what is laid aside is the very tensor that the next step reads.
                self._whole.saved.append(self._whole.x)
                self._whole.position += 1
        elif isinstance(step, Doubling):
            self._gather(position)

    def _gather(self, position: int, norm: NormSiLU | None = None, always: bool = False) -> None:
        """Run up to a position for all tiles: for a norm's statistics, and to keep what may be whole there."""
        start = self._whole.position
        if start == position and norm is None:
            return
        kept: _Whole | None = None
        for tile in partition(*self._sizes[position], self._side(position)):
            x, saved = self._run(position, tile)
            if norm is not None:
                norm.add(x.x)
            if kept is None and start < position and (always or self._fits([x, *saved], position)):
                kept = self._room(position, x, saved)
            if kept is None and norm is None:
                return
            if kept is not None:
                for whole, part in zip([kept.x, *kept.saved], [x, *saved], strict=True):
                    if whole.x is not part.x:
                        tile.crop(whole.x).copy_(part.within(tile).x)
        if kept is not None:
            self._whole = kept

    def _fits(self, parts: Sequence[Placed], position: int) -> bool:
        height, width = self._sizes[position]
        return all(self._is_whole(part) or part.x.shape[1] * height * width <= self._largest for part in parts)

    def _is_whole(self, part: Placed) -> bool:
        return any(part.x is saved.x for saved in self._whole.saved)

    def _room(self, position: int, x: Placed, saved: Sequence[Placed]) -> _Whole:
        """Where to write the activation and what is laid aside; what is whole already stays where it is."""
        size = self._sizes[position]

        def room(part: Placed) -> Placed:
            return Placed(part.x.new_empty(*part.x.shape[:2], *size), Tile(0, 0, *size))

        over = self._no_longer_needed(position)
        fits = over is not None and over.x.shape == (*x.x.shape[:2], *size) and over.x.dtype == x.x.dtype
        activation = over if over is not None and fits else room(x)
        return _Whole(position, activation, [part if self._is_whole(part) else room(part) for part in saved])

    def _no_longer_needed(self, position: int) -> Placed | None:
        """What is laid aside and read for the last time, each pixel for itself, by the steps up to ``position``."""
        depth, over, read = len(self._whole.saved), None, [self._whole.x.x, *self._lent]
        for step in self._steps[self._whole.position : position]:
            if isinstance(step, Save):
                depth += 1
            elif isinstance(step, Merge):
                inherited = self._whole.saved[depth - 1] if depth <= len(self._whole.saved) else None
                if step.forget:
                    depth, over = depth - 1, inherited or over
                elif inherited is not None:
                    # Later convolutions would see the neighbouring tiles of it, too.
                    read.append(inherited.x)
            elif isinstance(step, Doubling | Halving) or (isinstance(step, Layer) and step.margin):
                over = None
        return None if over is None or any(over.x is x for x in read) else over

    def _side(self, position: int) -> int:
        return max(1, self._tile * self._sizes[position][0] // self._sizes[0][0])

    def _run(self, position: int, tile: Tile) -> tuple[Placed, list[Placed]]:
        """The activation before step ``position``, and what is laid aside there, for one tile."""
        start = self._whole.position
        places = [tile]
        for number in range(position - 1, start - 1, -1):
            step = self._steps[number]
            place = step.source(places[0]) if isinstance(step, Layer | Doubling | Halving) else places[0]
            places.insert(0, _clipped(place, self._sizes[number]))
        x, saved = self._whole.x.within(places[0]), list(self._whole.saved)
        for step, place in zip(self._steps[start:position], places[1:], strict=True):
            if isinstance(step, Save):
                saved.append(x)
            elif isinstance(step, Merge):
                x = step(x, saved[-1])
                if step.forget:
                    saved.pop()
            elif not isinstance(step, Keep):
                x = step(x).within(place)
        return x, saved


def _clipped(tile: Tile, size: Size) -> Tile:
    return Tile(max(0, tile.top), max(0, tile.left), min(size[0], tile.bottom), min(size[1], tile.right))
