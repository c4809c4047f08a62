"""Motion guidance: how far neighbouring latents are from agreeing along the flow, and the gradient of that.

Two forms. The *published* one (golden README, section 6) is the released system's to the letter: each warped
neighbour uses the flow of the pair one further on, the first term of each direction pulls a frame towards zero, two of
the flows are never used, and the loss is a mean over the canvas. The *corrected* one is what the paper's equation says
(arXiv 2312.00853, section 3.2): W(z[i+1]; F[i]) against z[i] and W(z[i]; B[i]) against z[i+1], wherever visible.

Both are sums of absolute differences, so their gradient has a closed form (``models.comparisons``).
"""

from __future__ import annotations

import torch
from torch import Tensor

from models.comparisons import WarpedComparisons
from models.motion import Motion


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


def true_pairs(motion: Motion) -> WarpedComparisons:
    """Every pair compared along its own flow: W(z[i+1]; F[i]) with z[i], then W(z[i]; B[i]) with z[i+1].

    Args:
        motion: of n frames; at least one pair.

    Returns:
        ``2 * (n - 1)`` comparisons.
    """
    pairs = len(motion)
    return WarpedComparisons(
        sources=[*range(1, pairs + 1), *range(pairs)],
        targets=[*range(pairs), *range(1, pairs + 1)],
        flows=torch.cat((motion.forward, motion.backward)),
        visible=1 - torch.cat((motion.forward_occlusion, motion.backward_occlusion)),
    )


class CorrectedGuidance:
    """The paper's loss over a whole chunk of any length, counted where the flow can be trusted.

    Args:
        motion: of the chunk's frames; at least one pair.
        softness: differences smaller than this count quadratically (Huber), so that a step shrinks them instead of
            overshooting; in units of the latents, 0 for absolute differences.
    """

    def __init__(self, motion: Motion, softness: float = 0.0) -> None:
        self.softness = softness
        self.comparisons = true_pairs(motion)

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
