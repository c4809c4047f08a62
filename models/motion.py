"""Motion between the latents of a chunk: flow both ways, and where it cannot be trusted."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from models.warping import occlusion_masks


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
