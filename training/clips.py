"""The prepared training clips as pairs of damaged input and wanted output."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor

from training.archive import age_colours
from training.degradations import Degradation, degrade
from training.optics import chance
from training.tensors import open_tensors

DEFAULT_MIX: Mapping[Degradation, float] = {
    Degradation.clean: 0.15,
    Degradation.real_world: 0.45,
    Degradation.archive: 0.4,
}


class ClipDataset:
    """Clips of a folder made by ``training.prepare``, degraded on the fly.

    What ``dataset[index]`` gives depends on the folder, the seed, the mix and the index alone. Indices go on beyond the
    number of clips: those show the same clips with other degradations, mirrored and played backwards anew.

    Args:
        folder: the prepared folder.
        seed: of degradations and augmentation.
        mix: how often each kind of degradation is drawn, in any unit.
        held_out: only the clips that are kept for validation, and those never mirrored; else only the others.

    Raises:
        ValueError: if the folder was not prepared to its end, or has no such clip.
    """

    def __init__(
        self,
        folder: Path,
        seed: int,
        mix: Mapping[Degradation, float] = DEFAULT_MIX,
        held_out: bool = False,
    ) -> None:
        index = folder / "index.json"
        if not index.exists():
            raise ValueError(f"{folder}: not a prepared folder (no index.json); run `reelift prepare-data` first")
        # In one order, however the recipe writes it: the same numbers draw the same kinds.
        self.mix = {kind: mix[kind] for kind in Degradation if kind in mix}
        self.seed, self.held_out = seed, held_out
        content = json.loads(index.read_text())
        self.folder, self.size, self.frames = folder, int(content["size"]), int(content["frames"])
        places = [
            (folder / f"{shard['name']}.safetensors", row)
            for shard in content["shards"]
            for row, kept in enumerate(shard["held_out"])
            if kept == held_out
        ]
        if not places:
            raise ValueError(f"{folder}: holds no {'validation' if held_out else 'training'} clip")
        # Shards hold one source each; a fixed shuffle mixes photographs and film without touching determinism.
        order = torch.randperm(len(places), generator=torch.Generator().manual_seed(0)).tolist()
        self._places = [places[i] for i in order]

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Every clip once."""
        return (self[index] for index in range(len(self)))

    def require(self, side: int, frames: int) -> None:
        """See that crops of so many pixels and frames can be cut out of every clip.

        Raises:
            ValueError: if the clips were prepared smaller or shorter.
        """
        if side > self.size or frames > self.frames:
            raise ValueError(
                f"{self.folder}: holds clips of {self.size}x{self.size} with {self.frames} frames, the recipe wants "
                f"side: {side}, frames: {frames}; lower those, or prepare another folder with --size and --frames"
            )

    def clean(self, index: int) -> Tensor:
        """The clip as it was prepared: ``[T, 3, H, W]`` in [0, 1].

        Raises:
            ValueError: if its file is damaged.
        """
        path, row = self._places[index % len(self)]
        with open_tensors(path) as shard:
            clip: Tensor = shard.get_slice("clips")[row : row + 1][0]
        return clip.float() / 255

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Input ``[T, 3, H / 4, W / 4]`` and wanted output ``[T, 3, H, W]``, both in [0, 1].

        Raises:
            IndexError: for a negative index.
            ValueError: if the clip's file is damaged.
        """
        if index < 0:
            raise IndexError(f"clips are numbered from 0, not {index}")
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + index)
        target = self.clean(index)
        if not self.held_out:
            target = _augment(target, generator)
        kinds = list(self.mix)
        weights = torch.tensor([self.mix[kind] for kind in kinds], dtype=torch.float64)
        kind = kinds[int(torch.multinomial(weights, 1, generator=generator))]
        if kind is Degradation.archive and chance(0.5, generator):
            target = age_colours(target, generator).clamp(0, 1)
        return degrade(target, kind, generator), target


def _augment(clip: Tensor, generator: torch.Generator) -> Tensor:
    """Mirror sideways or play backwards. Upside down and sideways pictures would be no picture of a video."""
    flip, reverse = torch.randint(2, (2,), generator=generator).tolist()
    dims = [dim for dim, wanted in ((3, flip), (0, reverse)) if wanted]
    return clip.flip(dims) if dims else clip
