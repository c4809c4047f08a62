"""Latents compared with their neighbours warped along the flow, and the way back: the transpose of the warp.

The comparisons are differences, so a sum of their absolute values has a gradient in closed form: signs, and signs moved
back along the flow by the transpose of the warp. It is what autograd computes, without the graph; on a GPU in whole
numbers, so that the order in which its threads add does not matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import torch
from torch import Tensor

from models.warping import sampling_grid, unwarp_by_grid, warp_by_grid

FIXED_POINT = 2.0**32
"""Weights and signs are added up as multiples of 1 / FIXED_POINT in int64."""


class WarpedComparisons:
    """Pairs of frames to be compared along flows; built once, used at every step.

    Comparison k is ``mask[k] * |W(z[source[k]]; flow[k]) - z[target[k]]|``, where no source (None) means zero.

    Args:
        sources: indices of the frames to warp.
        targets: indices of the frames to compare with.
        flows: ``[K, 2, h, w]``; not looked at where there is no source.
        visible: ``[K, 1, h, w]``, 1 = compare.
    """

    def __init__(self, sources: Sequence[int | None], targets: Sequence[int], flows: Tensor, visible: Tensor) -> None:
        self.targets = torch.tensor(list(targets), device=flows.device, dtype=torch.int64)
        self._warped = torch.tensor(
            [k for k, source in enumerate(sources) if source is not None], device=flows.device, dtype=torch.int64
        )
        self._sources = torch.tensor(
            [source for source in sources if source is not None], device=flows.device, dtype=torch.int64
        )
        self.visible = visible
        self._flows = flows[self._warped]
        self._grid = sampling_grid(self._flows)

    @cached_property
    def _corners(self) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            return bilinear_corners(self._flows)

    def differences(self, latents: Tensor) -> Tensor:
        """``[K, C, h, w]``: masked warped neighbour minus masked frame; differentiable."""
        neighbours = torch.zeros_like(latents[self.targets])
        neighbours = neighbours.index_copy(0, self._warped, warp_by_grid(latents[self._sources], self._grid))
        return self.visible * neighbours - self.visible * latents[self.targets]

    def pull_back(self, slopes: Tensor, frames: int) -> Tensor:
        """Gradient ``[frames, C, h, w]`` of a function of ``differences``, given its slopes there.

        Args:
            slopes: ``[K, C, h, w]``, between -1 and 1: the derivatives by each difference.
            frames: how many latents there are.
        """
        slopes = slopes * self.visible
        if not slopes.is_cuda:
            total = torch.zeros(frames, *slopes.shape[1:], dtype=slopes.dtype, device=slopes.device)
            total.index_add_(0, self.targets, slopes, alpha=-1)
            return total.index_add_(0, self._sources, unwarp_by_grid(slopes[self._warped], self._grid))
        return self._pull_back_in_fixed_point(slopes, frames)

    def _pull_back_in_fixed_point(self, slopes: Tensor, frames: int) -> Tensor:
        """The same where many threads add to one place: in whole numbers, whose sum has no order."""
        total = torch.zeros(frames, *slopes.shape[1:], dtype=torch.int64, device=slopes.device)
        total.index_add_(0, self.targets, -_fixed(slopes))
        moved = _transposed_warp(slopes[self._warped], *self._corners)
        total.index_add_(0, self._sources, moved)
        return (total.to(torch.float64) / FIXED_POINT).to(slopes.dtype)


def bilinear_corners(flow: Tensor) -> tuple[Tensor, Tensor]:
    """Where each pixel of a warp comes from: the sparse matrix of W.

    Args:
        flow: ``[N, 2, h, w]``.

    Returns:
        Flat indices int64 ``[N, 4, h * w]`` of the four neighbours and their weights; 0 for those outside.
    """
    height, width = flow.shape[-2:]
    # By way of the warp's own grid and back as it does, so that this is its matrix to the last bit.
    grid = (sampling_grid(flow) + 1) / 2
    x, y = grid[..., 0] * max(width - 1, 1), grid[..., 1] * max(height - 1, 1)
    left, top = x.floor(), y.floor()
    indices, weights = [], []
    for row, column in ((top, left), (top, left + 1), (top + 1, left), (top + 1, left + 1)):
        weight = (1 - (x - column).abs()) * (1 - (y - row).abs())
        inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
        # The comparison comes first: a flow may be too large for an index, or not a number.
        index = torch.where(inside, row * width + column, 0.0)
        indices.append(index.to(torch.int64).flatten(1))
        weights.append(torch.where(inside, weight, 0.0).flatten(1))
    return torch.stack(indices, 1), torch.stack(weights, 1)


def _transposed_warp(slopes: Tensor, corners: Tensor, weights: Tensor) -> Tensor:
    """The transpose of the warp, applied to ``[N, C, h, w]``; fixed-point int64."""
    count, channels = slopes.shape[:2]
    total = torch.zeros(count, channels, slopes[0, 0].numel() if count else 0, dtype=torch.int64, device=slopes.device)
    flat = slopes.flatten(2)
    for corner in range(4):
        index = corners[:, corner, None].expand(-1, channels, -1)
        total.scatter_add_(2, index, _fixed(flat * weights[:, corner, None]))
    return total.view(slopes.shape)


def _fixed(x: Tensor) -> Tensor:
    return (x.to(torch.float64) * FIXED_POINT).round().to(torch.int64)
