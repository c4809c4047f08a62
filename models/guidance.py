"""Motion guidance: how far neighbouring latents are from agreeing along the flow, and the gradient of that.

Two forms. The *published* one (golden README, section 6) is the released system's to the letter: each warped
neighbour uses the flow of the pair one further on, the first term of each direction pulls a frame towards zero, two of
the flows are never used, and the loss is a mean over the canvas. The *corrected* one is what the paper's equation says
(arXiv 2312.00853, section 3.2): W(z[i+1]; F[i]) against z[i] and W(z[i]; B[i]) against z[i+1], wherever visible.

Both are sums of absolute differences, so their gradient has a closed form: signs, and signs moved back along the flow
by the transpose of the warp. It is what autograd computes, without the graph; on a GPU in whole numbers, so that the
order in which its threads add does not matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from models.warping import occlusion_masks, sampling_grid, unwarp_by_grid, warp_by_grid

FIXED_POINT = 2.0**32
"""Weights and signs are added up as multiples of 1 / FIXED_POINT in int64."""


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """The flow between the n frames of a chunk at latent size, and where it cannot be trusted.

    Attributes:
        forward: ``[n - 1, 2, h, w]``, (x, y) in latent pixels: from frame i to i + 1, given on frame i.
        backward: the same shape: from frame i + 1 to i, given on frame i + 1.
        forward_occlusion: ``[n - 1, 1, h, w]``, 1 = occluded, on frame i.
        backward_occlusion: the same shape, on frame i + 1.
    """

    forward: Tensor
    backward: Tensor
    forward_occlusion: Tensor
    backward_occlusion: Tensor

    def __post_init__(self) -> None:
        pairs, two, height, width = self.forward.shape
        expected = ((pairs, 2, height, width), (pairs, 1, height, width), (pairs, 1, height, width))
        found = tuple(tuple(x.shape) for x in (self.backward, self.forward_occlusion, self.backward_occlusion))
        if two != 2 or found != expected:
            raise ValueError(f"flows and masks do not fit together: {tuple(self.forward.shape)} and {found}")

    @classmethod
    def from_flow(cls, forward: Tensor, backward: Tensor, alpha: float = 0.01, beta: float = 0.5) -> Motion:
        """With the masks of ``models.warping.occlusion_masks``."""
        return cls(forward, backward, *occlusion_masks(forward, backward, alpha, beta))

    def __len__(self) -> int:
        """Number of pairs, one less than there are frames."""
        return len(self.forward)

    def pairs(self, start: int, stop: int) -> Motion:
        """The motion between the frames ``start`` to ``stop`` inclusive: ``stop - start`` pairs."""
        return Motion(*(x[start:stop] for x in self._tensors()))

    def padded(self, pairs: int) -> Motion:
        """With ``pairs`` pairs: the ones missing at the end are of a frame and its repetition, nothing moves."""
        missing = pairs - len(self)
        return Motion(*(torch.cat((x, x.new_zeros(missing, *x.shape[1:]))) for x in self._tensors()))

    def to(self, device: torch.device | str, dtype: torch.dtype = torch.float32) -> Motion:
        """On another device, flows and masks of one type."""
        return Motion(*(x.to(device=device, dtype=dtype) for x in self._tensors()))

    def _tensors(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return self.forward, self.backward, self.forward_occlusion, self.backward_occlusion


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


class PublishedGuidance:
    """The released system's loss on one window (golden README, section 6), indices as they are there.

    Args:
        motion: of the window's frames: at least two pairs, for the published indices to exist.
    """

    def __init__(self, motion: Motion) -> None:
        pairs = len(motion)
        flows, visible = [motion.forward[:1], motion.backward[:1]], []
        sources: list[int | None] = [None, None]
        # loss_b: the last but one frame against zero, then W(z[i+1]; F[i+1]) against z[i], masked on frame i.
        targets = [pairs - 1, 1]
        visible += [1 - motion.forward_occlusion[pairs - 1 :], 1 - motion.backward_occlusion[:1]]
        for i in range(pairs - 1):
            sources += [i + 1, i + 1]
            targets += [i, i + 2]
            # loss_f: W(z[i+1]; B[i]) against z[i+2], masked on frame i + 2.
            flows += [motion.forward[i + 1 : i + 2], motion.backward[i : i + 1]]
            visible += [1 - motion.forward_occlusion[i : i + 1], 1 - motion.backward_occlusion[i + 1 : i + 2]]
        self.comparisons = WarpedComparisons(sources, targets, torch.cat(flows), torch.cat(visible))

    def loss(self, latents: Tensor) -> Tensor:
        """Sum over the comparisons of the mean absolute difference, over all elements, hidden ones as zeros."""
        return self.comparisons.differences(latents).abs().mean(dim=(1, 2, 3)).sum()

    def gradient(self, latents: Tensor) -> Tensor:
        """``d loss / d latents`` for latents ``[n, C, h, w]`` in closed form; no graph is needed or left behind."""
        return self.loss_and_gradient(latents)[1]

    @torch.no_grad()
    def loss_and_gradient(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """Both, for the price of one warp and its transpose."""
        differences = self.comparisons.differences(latents)
        gradient = self.comparisons.pull_back(differences.sign(), len(latents)) / differences[0].numel()
        return differences.abs().mean(dim=(1, 2, 3)).sum(), gradient


class CorrectedGuidance:
    """The paper's loss over a whole chunk of any length, counted where the flow can be trusted.

    Args:
        motion: of the chunk's frames; at least one pair.
        softness: differences smaller than this count quadratically (Huber), so that a step shrinks them instead of
            overshooting; in units of the latents, 0 for absolute differences.
    """

    def __init__(self, motion: Motion, softness: float = 0.0) -> None:
        pairs = len(motion)
        self.softness = softness
        self.comparisons = WarpedComparisons(
            sources=[*range(1, pairs + 1), *range(pairs)],
            targets=[*range(pairs), *range(1, pairs + 1)],
            flows=torch.cat((motion.forward, motion.backward)),
            visible=1 - torch.cat((motion.forward_occlusion, motion.backward_occlusion)),
        )

    def loss(self, latents: Tensor) -> Tensor:
        """Mean absolute (or Huber) difference over the visible pixels of all pairs; 0 if none is visible."""
        return self._penalty(self.comparisons.differences(latents)).sum() / self._visible_elements(latents)

    @torch.no_grad()
    def loss_and_gradient(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """The loss, and its gradient times the number of visible elements.

        So scaled, each element's gradient is the sum of its (at most four, roughly) comparisons' slopes, each in
        [-1, 1]: a step means the same on a large canvas as on a small one, in a long chunk as in a short one.

        Returns:
            A scalar, and ``[n, C, h, w]``.
        """
        differences = self.comparisons.differences(latents)
        slopes = differences.sign() if self.softness == 0 else (differences / self.softness).clamp(-1, 1)
        loss = self._penalty(differences).sum() / self._visible_elements(latents)
        return loss, self.comparisons.pull_back(slopes, len(latents))

    def _penalty(self, differences: Tensor) -> Tensor:
        size = differences.abs()
        if self.softness == 0:
            return size
        return torch.where(size < self.softness, size**2 / (2 * self.softness), size - self.softness / 2)

    def _visible_elements(self, latents: Tensor) -> Tensor:
        return (self.comparisons.visible.sum() * latents.shape[1]).clamp(min=1)
