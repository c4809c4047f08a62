"""Chains of layers run tile by tile, with the result of running them over the whole canvas at once.

Convolutions see a few pixels beyond a tile, so each tile is computed with a margin that is cut off again. Group norms
see all of the canvas: their statistics are gathered over all tiles first, and applied in a second pass. Between two
norms there is little more than one convolution, so margins are narrow.

Activations are kept whole where they are small enough, in the place of one that is not needed again if that can be;
larger ones are never whole anywhere: what lies between them and the last one that was kept is computed again, tile by
tile, for every norm on the way. That is the price of the memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from models.tile_steps import Doubling, Halving, Keep, Layer, Merge, NormSiLU, Placed, Save, Size, Step
from models.tiling import Tile, partition


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
