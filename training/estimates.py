"""Initial estimates of the training clips, computed once: the recurrent network costs more than what is trained."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from models.basicvsr import BasicVSR
from models.folder import ModelFolder
from training.clips import ClipDataset
from training.recipe import Recipe

CPU = torch.device("cpu")


@dataclass(frozen=True, slots=True)
class RestorationClip:
    """One training clip: frames in [0, 1].

    Attributes:
        low: degraded frames, [T, 3, h, w].
        estimate: the initial estimate of the target, [T, 3, 4h, 4w].
        target: clean frames, [T, 3, 4h, 4w].
    """

    low: Tensor
    estimate: Tensor
    target: Tensor


def _to_bytes(frames: Tensor) -> Tensor:
    return (frames.clamp(0, 1) * 255).round().to(torch.uint8).contiguous()


@torch.inference_mode()
def compute_estimates(
    network: BasicVSR, clips: Iterable[tuple[Tensor, Tensor]], folder: Path, shard: int = 32, count: int = 10**9
) -> int:
    """Run the recurrent network over (low, target) clips and store all three as 8-bit shards.

    Resumable: shards that exist are left as they are, their clips are drawn and passed over.

    Returns:
        the number of clips now in ``folder``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    source, taken = iter(clips), 0
    while batch := list(itertools.islice(source, min(shard, count - taken))):
        path = folder / f"estimates-{taken // shard:05d}.safetensors"
        if not path.exists():
            low, target = (torch.stack(frames) for frames in zip(*batch, strict=True))
            estimate = network(low.to(network.device)).cpu()
            parts = {"low": _to_bytes(low), "estimate": _to_bytes(estimate), "target": _to_bytes(target)}
            draft = path.with_suffix(".draft")
            save_file(parts, draft)
            draft.replace(path)
        taken += len(batch)
    return taken


class EstimateDataset:
    """Clips with their initial estimates, as ``compute_estimates`` stored them."""

    def __init__(self, folder: Path) -> None:
        self.files = sorted(folder.glob("estimates-*.safetensors"))
        if not self.files:
            raise ValueError(f"{folder}: holds no initial estimates; reelift train computes them")
        self.places: list[tuple[Path, int]] = []
        for file in self.files:
            with safe_open(file, "pt") as shard:
                self.places += [(file, row) for row in range(shard.get_slice("low").get_shape()[0])]

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> RestorationClip:
        file, row = self.places[index]
        with safe_open(file, "pt") as shard:
            low, estimate, target = (shard.get_slice(part)[row].float() / 255 for part in ("low", "estimate", "target"))
        return RestorationClip(low, estimate, target)


def first_clip(clips: EstimateDataset, recipe: Recipe, device: torch.device) -> RestorationClip:
    """The clip that the training log shows."""
    clip = clips[0]
    return RestorationClip(*(part[: recipe.frames].to(device) for part in (clip.low, clip.estimate, clip.target)))


def draw_batch(
    clips: EstimateDataset, recipe: Recipe, generator: torch.Generator, device: torch.device
) -> RestorationClip:
    """Draw a batch of clips at random and mirror, turn or reverse them.

    The clips stand one after another along the first axis. All draws are made on the CPU, so that a device does not
    change what is learned from.
    """
    low: list[Tensor] = []
    estimate: list[Tensor] = []
    target: list[Tensor] = []
    for _ in range(recipe.batch):
        clip = clips[int(torch.randint(len(clips), (), generator=generator))]
        flip_x, flip_y, turn, reverse = torch.randint(2, (4,), generator=generator).tolist()
        for kept, frames_of_clip in ((low, clip.low), (estimate, clip.estimate), (target, clip.target)):
            x = frames_of_clip[: recipe.frames]
            x = x.flip(0) if reverse else x
            x = x.transpose(2, 3) if turn else x
            dims = [d for d, flipped in ((2, flip_y), (3, flip_x)) if flipped]
            kept.append(x.flip(dims) if dims else x)
    return RestorationClip(*(torch.cat(frames).to(device) for frames in (low, estimate, target)))


def ensure_estimates(data: Path, model: Path, recipe: Recipe, device: torch.device = CPU) -> Path:
    """Compute the recipe's clips with their initial estimates below the data folder, unless that has been done.

    Estimates made by other weights than the model folder's (or by none that are known) are thrown away first.

    Returns:
        the folder with the estimates.

    Raises:
        ValueError: if ``data`` was not prepared.
    """
    folder = data / f"estimates-{recipe.side}-{recipe.frames}"
    index = folder / "index.json"
    digest = ModelFolder(model).digest("initial_estimate")
    stored = json.loads(index.read_text()) if index.exists() else {}
    if stored.get("initial_estimate") == digest and stored["clips"] >= recipe.clips:
        return folder
    network = ModelFolder(model).initial_estimate().eval().to(device)
    clips = training_clips(data, recipe)
    if stored.get("initial_estimate") != digest:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        # Written before the first shard, so that an interrupted computation knows whose shards it finds.
        _write_index(index, 0, digest)
    _write_index(index, compute_estimates(network, clips, folder, count=recipe.clips), digest)
    return folder


def _write_index(index: Path, clips: int, digest: str) -> None:
    draft = index.with_suffix(".draft")
    draft.write_text(json.dumps({"clips": clips, "initial_estimate": digest}))
    draft.replace(index)


def training_clips(data: Path, recipe: Recipe) -> Iterator[tuple[Tensor, Tensor]]:
    """Degraded and clean clips without end, cropped to the recipe's size and number of frames."""
    clips = ClipDataset(data, seed=0, mix=recipe.mix)
    return (
        crop_clip(*clips[number % len(clips)], recipe, torch.Generator().manual_seed(number))
        for number in itertools.count()
    )


def crop_clip(low: Tensor, target: Tensor, recipe: Recipe, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Cut the recipe's size and number of frames out of a clip ``[T, 3, h, w]`` and its target ``[T, 3, 4h, 4w]``."""
    side, frames = recipe.side // 4, recipe.frames
    top, left = (
        int(torch.randint(size - side + 1, (), generator=generator)) if size > side else 0 for size in low.shape[-2:]
    )
    small = low[:frames, :, top : top + side, left : left + side]
    large = target[:frames, :, 4 * top : 4 * (top + side), 4 * left : 4 * (left + side)]
    return small, large
