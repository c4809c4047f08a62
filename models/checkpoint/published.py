"""The files that MGLD-VSR was published as, and telling them apart (golden README, section 13)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from torch import Tensor

from models.checkpoint import raft, structure_encoder, text_tower, unet
from models.checkpoint.renaming import CheckpointError


@dataclass(frozen=True, slots=True)
class PublishedFile:
    """One kind of file.

    Attributes:
        name: what people call it.
        markers: beginnings of keys, each of which it must hold.
    """

    name: str
    markers: tuple[str, ...]

    @property
    def expected(self) -> str:
        """What a file of this kind is, for messages."""
        return f"{self.name}: a PyTorch checkpoint with {', '.join(f'{marker}*' for marker in self.markers)}"

    def lacks(self, keys: Iterable[str]) -> list[str]:
        """Return the markers that no key begins with."""
        keys = list(keys)
        return [marker for marker in self.markers if not any(key.startswith(marker) for key in keys)]


DIFFUSION = PublishedFile("MGLD-VSR's diffusion checkpoint", (unet.PREFIX, structure_encoder.PREFIX, text_tower.PREFIX))
VAE = PublishedFile(
    "MGLD-VSR's video VAE", ("encoder.", "quant_conv.", "decoder.fusion_layer_", "decoder.temporal_mixing.")
)
FLOW = PublishedFile("RAFT's weights (raft-things.pth)", ("fnet.", "cnet.", "update_block."))

OTHERS = (
    DIFFUSION,
    VAE,
    FLOW,
    PublishedFile("a Stable Diffusion checkpoint without structure encoder", (unet.PREFIX, "first_stage_model.")),
    PublishedFile("an autoencoder without temporal layers", ("encoder.", "decoder.", "quant_conv.")),
)
"""What may be mistaken for one another; the first that fits counts."""


def recognise(tensors: Mapping[str, Tensor], wanted: PublishedFile) -> None:
    """Check that ``tensors`` are those of the wanted kind of file.

    Raises:
        CheckpointError: they are not; says what they are, if that is known.
    """
    keys = [key.removeprefix(raft.STANDALONE_PREFIX) for key in tensors]
    lacking = wanted.lacks(keys)
    if not lacking:
        return
    known = next((kind.name for kind in OTHERS if not kind.lacks(keys)), None)
    found = f"is {known}" if known else f"has no {', '.join(f'{marker}*' for marker in lacking)}"
    raise CheckpointError(f"{found}; expected {wanted.expected}")
