"""Which tensors of the published checkpoints are not taken over, and why; and the account that no other is lost."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from torch import Tensor

from models.checkpoint import raft, vae
from models.checkpoint.renaming import MAX_NAMED, CheckpointError
from models.checkpoint.verification import IMAGE_AUTOENCODER, SCHEDULE_BUFFERS


@dataclass(frozen=True, slots=True)
class Omission:
    """A kind of tensor that is left out.

    Attributes:
        reason: why, for people.
        matches: whether a key is of this kind.
    """

    reason: str
    matches: Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Omitted:
    """What was left out of one file for one reason."""

    file: str
    reason: str
    keys: tuple[str, ...]


def _starts(*prefixes: str) -> Callable[[str], bool]:
    return lambda key: key.startswith(prefixes)


AVERAGES = Omission(
    "running averages of training; the published system restores with the plain weights", _starts("model_ema.")
)

DIFFUSION = (
    AVERAGES,
    Omission("the schedule's numbers, computed anew; compared with ours", lambda key: key in SCHEDULE_BUFFERS),
    Omission("the factor of the latents; compared with ours", lambda key: key == "scale_factor"),
    Omission("weights of the training loss", lambda key: key in ("logvar", "lvlb_weights")),
    Omission(
        "the image autoencoder: its encoder is the video VAE's, with which it was compared; its decoder is not used",
        _starts(IMAGE_AUTOENCODER),
    ),
)
"""Left out of the diffusion checkpoint, besides the unused end of the text tower."""

TEXT_TOWER = "the text tower's last block and projection: the embedding is read before them"

REPLACED_FLOW = Omission("RAFT, replaced by the flow file that was given", _starts(raft.PREFIX))

VAE = (AVERAGES, Omission("networks that only the VAE's training needed", _starts(vae.TRAINING_ONLY)))
"""Left out of the video VAE's checkpoint."""


class Account:
    """The tensors of one file, each of which must be taken or left out with a reason.

    Args:
        name: of the file, for messages.
        tensors: all of them.
    """

    def __init__(self, name: str, tensors: Mapping[str, Tensor]) -> None:
        self.name = name
        self.omitted: list[Omitted] = []
        self._left = dict(tensors)

    def take(self, prefix: str) -> dict[str, Tensor]:
        """Take all tensors whose key starts with ``prefix``, and return them without it."""
        keys = [key for key in self._left if key.startswith(prefix)]
        return {key.removeprefix(prefix): self._left.pop(key) for key in keys}

    def omit(self, omissions: Iterable[Omission]) -> None:
        """Leave out what matches; what a file does not hold is not recorded."""
        for omission in omissions:
            self.omit_keys([key for key in self._left if omission.matches(key)], omission.reason)

    def omit_keys(self, keys: Iterable[str], reason: str) -> None:
        """Leave out tensors by key."""
        gone = tuple(keys)
        for key in gone:
            del self._left[key]
        if gone:
            self.omitted.append(Omitted(self.name, reason, gone))

    def close(self) -> None:
        """Raise CheckpointError if any tensor is neither taken nor left out with a reason."""
        if self._left:
            names = ", ".join(list(self._left)[:MAX_NAMED]) + (", ..." if len(self._left) > MAX_NAMED else "")
            raise CheckpointError(
                f"{self.name}: {len(self._left)} tensors have no place in the model ({names}); "
                "if they are not needed, skip them by their prefix (--skip)"
            )
