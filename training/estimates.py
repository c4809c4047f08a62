"""Initial estimates of the training clips, computed once: the recurrent network costs more than what is trained."""

from __future__ import annotations

import hashlib
import itertools
import json
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from models.basicvsr import BasicVSR
from models.folder import ModelFolder
from training.clips import ClipDataset
from training.recipe import Recipe
from training.tensors import open_tensors

CPU = torch.device("cpu")
Origin = dict[str, Any]
"""What estimates are made of: the digest of the weights, the mix of damage, the digest of the clips' index."""


@dataclass(frozen=True, slots=True)
class RestorationClip:
    """One training clip: frames in [0, 1].

    Attributes:
        estimate: the initial estimate of the target, [T, 3, 4h, 4w].
        target: clean frames, [T, 3, 4h, 4w].
    """

    estimate: Tensor
    target: Tensor


def _to_bytes(frames: Tensor) -> Tensor:
    return (frames.clamp(0, 1) * 255).round().to(torch.uint8).contiguous()


@torch.inference_mode()
def compute_estimates(
    network: BasicVSR, clips: Iterable[tuple[Tensor, Tensor]], folder: Path, shard: int = 32, count: int = 10**9
) -> int:
    """Run the recurrent network over (low, target) clips and store all three as 8-bit shards.

    Resumable: shards that exist and hold at least the clips wanted of them are left as they are, their clips are drawn
    and passed over; short and damaged ones are made again.

    Returns:
        the number of the given clips, at most ``count``, all of which are now in ``folder``, before any other.
    """
    folder.mkdir(parents=True, exist_ok=True)
    source, taken = iter(clips), 0
    while batch := list(itertools.islice(source, min(shard, count - taken))):
        path = folder / f"estimates-{taken // shard:05d}.safetensors"
        if _whole_rows(path) < len(batch):
            low, target = (torch.stack(frames) for frames in zip(*batch, strict=True))
            estimate = network(low.to(network.device)).cpu()
            parts = {"low": _to_bytes(low), "estimate": _to_bytes(estimate), "target": _to_bytes(target)}
            draft = path.with_suffix(".draft")
            save_file(parts, draft)
            draft.replace(path)
        taken += len(batch)
    return taken


def _shards(folder: Path) -> list[Path]:
    return sorted(folder.glob("estimates-*.safetensors"))


def _rows(path: Path) -> int:
    with open_tensors(path) as shard:
        return int(shard.get_slice("target").get_shape()[0])


def _whole_rows(path: Path) -> int:
    """The number of clips in a shard, none if it is missing or damaged: such a one can be made again."""
    try:
        return _rows(path)
    except (ValueError, FileNotFoundError):
        return 0


class EstimateDataset:
    """Clips with their initial estimates, as ``compute_estimates`` stored them.

    Args:
        folder: with the shards.
        count: only so many of the clips, from the first on; a folder may hold more than a recipe wants. Default: all.

    Raises:
        ValueError: if there are none, or a shard is damaged.
    """

    def __init__(self, folder: Path, count: int | None = None) -> None:
        self.files = _shards(folder)
        if not self.files:
            raise ValueError(f"{folder}: holds no initial estimates; reelift train computes them")
        self.places = [(file, row) for file in self.files for row in range(_rows(file))][:count]

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> RestorationClip:
        """The clip of this number.

        Raises:
            IndexError: beyond the last one.
            ValueError: if its shard is damaged.
        """
        file, row = self.places[index]
        with open_tensors(file) as shard:
            estimate, target = (shard.get_slice(part)[row].float() / 255 for part in ("estimate", "target"))
        return RestorationClip(estimate, target)


def first_clip(clips: EstimateDataset, recipe: Recipe, device: torch.device) -> RestorationClip:
    """The clip that the training log shows."""
    clip = clips[0]
    return RestorationClip(*(part[: recipe.frames].to(device) for part in (clip.estimate, clip.target)))


def draw_batch(
    clips: EstimateDataset, recipe: Recipe, generator: torch.Generator, device: torch.device
) -> RestorationClip:
    """Draw a batch of clips at random and mirror, turn or reverse them.

    The clips stand one after another along the first axis. All draws are made on the CPU, so that a device does not
    change what is learned from.
    """
    estimate: list[Tensor] = []
    target: list[Tensor] = []
    for _ in range(recipe.batch):
        clip = clips[int(torch.randint(len(clips), (), generator=generator))]
        flip_x, flip_y, turn, reverse = torch.randint(2, (4,), generator=generator).tolist()
        for kept, frames_of_clip in ((estimate, clip.estimate), (target, clip.target)):
            x = frames_of_clip[: recipe.frames]
            x = x.flip(0) if reverse else x
            x = x.transpose(2, 3) if turn else x
            dims = [d for d, flipped in ((2, flip_y), (3, flip_x)) if flipped]
            kept.append(x.flip(dims) if dims else x)
    return RestorationClip(*(torch.cat(frames).to(device) for frames in (estimate, target)))


def ensure_estimates(data: Path, model: Path, recipe: Recipe, device: torch.device = CPU) -> Path:
    """Compute the recipe's clips with their initial estimates below the data folder, unless that has been done.

    Estimates made by other weights than the model folder's, with another mix of damage or of other prepared clips are
    thrown away first, and so are those that do not say (written before mix and clips were noted). Where there are no
    prepared clips, as on a machine with a GPU that got ``estimates-*/`` alone, nothing is thrown away, the clips are
    not compared, and a mix that was not noted is taken to be the recipe's.

    Returns:
        the folder with the estimates; it may hold more clips than the recipe wants.

    Raises:
        ValueError: if estimates have to be computed and ``data`` was not prepared, or its clips are smaller or shorter
            than the recipe's, or damaged; if there are no prepared clips and an estimates' file is damaged.
    """
    folder, network = data / f"estimates-{recipe.side}-{recipe.frames}", ModelFolder(model)
    index, prepared = folder / "index.json", data / "index.json"
    stored = json.loads(index.read_text()) if index.exists() else {}
    here = prepared.exists()
    origin: Origin = {"initial_estimate": network.digest("initial_estimate"), "mix": dict(recipe.mix)}
    if here:
        origin["data"] = hashlib.sha256(prepared.read_bytes()).hexdigest()
    known = stored if here else {"mix": origin["mix"], **stored}
    others = [key for key, value in origin.items() if known.get(key) != value]
    # A damaged file is made again where that can be done, and named where it cannot.
    count = _whole_rows if here else _rows
    held = 0 if others else min(stored["clips"], sum(count(shard) for shard in _shards(folder)))
    if not others and held >= recipe.clips:
        return folder
    if stored and not here:
        lack = f"another {others[0]}" if others else f"{held} of the {recipe.clips} clips wanted"
        raise ValueError(
            f"{folder}: these initial estimates are of {lack}, and the prepared clips to make others of are not here; "
            f"let reelift train make them where those are, and copy {folder.name}/ again"
        )
    clips = training_clips(data, recipe)
    if others:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        # Written before the first shard, so that an interrupted computation knows whose shards it finds.
        _write_index(index, 0, origin)
    computed = compute_estimates(network.initial_estimate().eval().to(device), clips, folder, count=recipe.clips)
    _write_index(index, computed, origin)
    return folder


def _write_index(index: Path, clips: int, origin: Origin) -> None:
    draft = index.with_suffix(".draft")
    draft.write_text(json.dumps({"clips": clips, **origin}))
    draft.replace(index)


def training_clips(data: Path, recipe: Recipe) -> Iterator[tuple[Tensor, Tensor]]:
    """Degraded and clean clips without end, cropped to the recipe's size and number of frames.

    Raises:
        ValueError: if ``data`` was not prepared, or its clips are smaller or shorter than that.
    """
    clips = ClipDataset(data, seed=0, mix=recipe.mix)
    clips.require(recipe.side, recipe.frames)
    return (crop_clip(*clips[number], recipe, torch.Generator().manual_seed(number)) for number in itertools.count())


def crop_clip(low: Tensor, target: Tensor, recipe: Recipe, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Cut the recipe's size and number of frames out of a clip ``[T, 3, h, w]`` and its target ``[T, 3, 4h, 4w]``."""
    side, frames = recipe.side // 4, recipe.frames
    top, left = (
        int(torch.randint(size - side + 1, (), generator=generator)) if size > side else 0 for size in low.shape[-2:]
    )
    small = low[:frames, :, top : top + side, left : left + side]
    large = target[:frames, :, 4 * top : 4 * (top + side), 4 * left : 4 * (left + side)]
    return small, large
