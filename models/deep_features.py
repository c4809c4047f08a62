"""Reuse of the UNet's deep features between neighbouring steps (DeepCache, Ma, Fang and Wang, CVPR 2024).

What the UNet makes far from its input changes little from one step to the next. So it is kept for some steps, in which
only the shallowest skip connections and the last blocks, which take them, are computed anew. Those blocks are told the
structure of the step as ever.
"""

from __future__ import annotations

from torch import Tensor


class DeepFeatures:
    """What enters the first block that is computed anew; made in one call of the UNet and used in others.

    Args:
        skips: how many of the shallowest skip connections are computed anew; each belongs to one block of the way up.
        kept: ``[n, c, h, w]`` of an earlier call, to go on from; None to have the next call leave it here.
    """

    def __init__(self, skips: int, kept: Tensor | None = None) -> None:
        self.skips, self.kept, self.reused = skips, kept, kept is not None

    def pass_by(self, x: Tensor, waiting: int) -> None:
        """Take ``x`` if it is what enters the first of the last blocks, when ``waiting`` skips are left."""
        if not self.reused and waiting == self.skips:
            self.kept = x
