"""The prediction of networks that see a few frames and one tile at a time, for a whole chunk and canvas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import torch
from torch import Tensor

from models.deep_features import DeepFeatures
from models.memory import Shrinking, ShrinkingByCall
from models.parallel import in_parallel, shared_out, threads_on
from models.tiling import Tile, canvas_tiles, gaussian_weights, tile_starts, window_weights


class DenoisingNetwork(Protocol):
    """Predicts the noise; see ``models.unet.DenoisingUNet``."""

    def __call__(
        self,
        latents: Tensor,
        timesteps: Tensor,
        prompt: Tensor | None,
        structure: Mapping[int, Tensor],
        num_frames: int | None = None,
        deep: DeepFeatures | None = None,
    ) -> Tensor:
        """``[N, C, h, w]`` -> ``[N, C, h, w]``."""
        ...

    def levels_of(self, skips: int) -> int:
        """Levels of the structure features that are used where ``deep`` is reused."""
        ...


class StructureNetwork(Protocol):
    """Features of the structure latents; see ``models.structure_encoder.StructureEncoder``."""

    def __call__(self, latents: Tensor, timesteps: Tensor, levels: int | None = None) -> Mapping[int, Tensor]:
        """``[N, C, h, w]`` -> features by width, of all levels or of the first."""
        ...


@dataclass(frozen=True, slots=True)
class WindowSettings:
    """What the networks see at once.

    Attributes:
        num_frames: frames of a window, as trained.
        overlap: frames shared by neighbouring windows, less than ``num_frames``. The last window of a chunk is moved
            back to end with it, so it may share more.
        tile: side of the square tiles in latent pixels; None is the whole canvas.
        tile_overlap: of neighbouring tiles, in latent pixels.
        tile_shift: in every other step move the tiles by this much, which then must not overlap.
        batch: windows (or windows times tiles) per call of the networks; halved where they do not fit in memory. None
            finds it from the free memory (``models.memory.Fitting``).
        dtype: that the networks compute in.
        reuse_steps: the UNet's deep features serve so many steps (``models.deep_features``); 1 computes them in each.
            Tiles that shift stay for as long.
        reuse_skips: skip connections that are computed anew in every step.
    """

    num_frames: int = 5
    overlap: int = 0
    tile: int | None = None
    tile_overlap: int = 0
    tile_shift: int = 0
    batch: int | None = 1
    dtype: torch.dtype = torch.float32
    reuse_steps: int = 1
    reuse_skips: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.overlap < self.num_frames or (self.batch is not None and self.batch < 1):
            raise ValueError(f"not a way to see a chunk: {self}")
        if self.reuse_steps < 1 or self.reuse_skips < 1:
            raise ValueError(f"deep features serve at least one step, and one skip connection is new: {self}")
        if self.tile is not None and not 0 <= max(self.tile_overlap, self.tile_shift) < self.tile:
            raise ValueError(f"tile of {self.tile} cannot overlap or shift by that much: {self}")
        if self.tile_shift and self.tile_overlap:
            raise ValueError("tiles that shift from step to step do not overlap: set one of the two to 0")


@dataclass(frozen=True, slots=True)
class _Job:
    """One window of one tile: the frames from ``start``, of which the first ``count`` are the chunk's own."""

    start: int
    count: int
    tile: Tile


def fitting_batches(batch: int | None, device: torch.device | None = None) -> ShrinkingByCall:
    """Windows times tiles at once, as long as they fit in memory; lent to every chunk that a process denoises.

    Args:
        batch: per call of the networks, of which each of a CPU's threads makes one; None is as many in all as the free
            memory of the device has room for.
        device: that the networks compute on.
    """
    if batch is not None and device is not None:
        batch *= threads_on(device)
    return ShrinkingByCall("windows and tiles at once", batch, device)


class WindowedDenoiser:
    """Runs the networks over all windows and tiles of a chunk and blends their predictions.

    Only the predicted noise is blended (golden README, section 8); the structure features are computed from the crop
    that each call sees. A chunk shorter than a window is seen with its last frame repeated.

    Args:
        unet: predicts the noise.
        structure_encoder: makes the features that condition it.
        structure: ``[n, C, h, w]``, float32: scaled latents of the chunk's frames.
        prompt: ``[1, L, D]``, or None for networks without a prompt.
        settings: windows, tiles and batches.
        batches: what has fitted in memory so far, see ``fitting_batches``; None: nothing is known yet.
    """

    def __init__(
        self,
        unet: DenoisingNetwork,
        structure_encoder: StructureNetwork,
        structure: Tensor,
        prompt: Tensor | None,
        settings: WindowSettings,
        batches: ShrinkingByCall | None = None,
    ) -> None:
        self._unet, self._structure_encoder = unet, structure_encoder
        self._settings = settings
        self._batches = batches or fitting_batches(settings.batch, structure.device)
        self._structure = structure.to(settings.dtype)
        self._deep: dict[_Job, Tensor] = {}
        self._prompt = None if prompt is None else prompt.to(device=structure.device, dtype=settings.dtype)

    def __call__(self, latents: Tensor, timestep: int, step: int = 0) -> Tensor:
        """Predicted noise ``[n, C, h, w]`` in the latents' type.

        Args:
            latents: ``[n, C, h, w]``, all frames of the chunk.
            timestep: of the base schedule.
            step: number of the executed step: decides where shifting tiles lie, and whether deep features are reused.
        """
        if step % self._settings.reuse_steps == 0:
            self._deep.clear()
        jobs = self._jobs(step)
        tile = jobs[0].tile
        shrinking = self._batches.of(len(jobs), tile.bottom - tile.top, tile.right - tile.left)
        weights = self._weights(jobs, latents)
        total, norm = torch.zeros_like(latents), torch.zeros_like(latents[:, :1])
        waiting = jobs
        while waiting:
            batch, predictions = self._some(latents, waiting, timestep, shrinking)
            waiting = waiting[len(batch) :]
            for job, eps in zip(batch, predictions, strict=True):
                if len(jobs) == 1:
                    return eps[: job.count]
                frames = slice(job.start, job.start + job.count)
                job.tile.crop(total[frames]).add_(weights * eps[: job.count])
                job.tile.crop(norm[frames]).add_(weights)
        return total / norm

    @property
    def batch(self) -> int:
        """Windows times tiles at once: as set, or fewer if those have not fitted in memory."""
        return self._batches.smallest or 1

    def _jobs(self, step: int) -> list[_Job]:
        frames, _, height, width = self._structure.shape
        s = self._settings
        tiles = [Tile(0, 0, height, width)]
        if s.tile is not None:
            tiles = canvas_tiles(height, width, s.tile, s.tile_overlap, s.tile_shift * (step // s.reuse_steps % 2))
        count = min(s.num_frames, frames)
        # Overlapping windows of one tile come together, to share structure features within a batch.
        return [_Job(start, count, tile) for tile in tiles for start in tile_starts(frames, s.num_frames, s.overlap)]

    def _weights(self, jobs: Sequence[_Job], latents: Tensor) -> Tensor:
        """``[window, 1, h, w]``: how much a prediction counts, by frame and place within its window and tile."""
        tile, s = jobs[0].tile, self._settings
        high, wide = tile.bottom - tile.top, tile.right - tile.left
        tiled = len({job.tile for job in jobs}) > 1
        space = gaussian_weights(high, wide) if tiled else torch.ones(high, wide, dtype=torch.float64)
        starts = sorted({job.start for job in jobs})
        overlapping = any(after - before < s.num_frames for before, after in pairwise(starts))
        time = window_weights(s.num_frames) if overlapping else torch.ones(jobs[0].count, dtype=torch.float64)
        return (time[:, None, None, None] * space).to(latents)

    def _some(
        self, latents: Tensor, jobs: Sequence[_Job], timestep: int, shrinking: Shrinking
    ) -> tuple[Sequence[_Job], Tensor]:
        """The first of the jobs, as many as go into a call, and what is predicted for them."""
        predictions, count = shrinking(lambda size: self._predict(latents, jobs[:size], timestep), len(jobs))
        return jobs[:count], predictions.to(latents.dtype)

    def _predict(self, latents: Tensor, jobs: Sequence[_Job], timestep: int) -> Tensor:
        """``[len(jobs), window, C, h, w]``; on a CPU each of its threads calls the networks for its share of them."""
        parts = shared_out(jobs, latents.device)
        return torch.cat(in_parallel(lambda part: self._predict_part(latents, part, timestep), parts, latents.device))

    def _predict_part(self, latents: Tensor, jobs: Sequence[_Job], timestep: int) -> Tensor:
        window = self._settings.num_frames
        places = [(job.tile, job.start + min(i, job.count - 1)) for job in jobs for i in range(window)]
        crops = torch.stack([tile.crop(latents[frame]) for tile, frame in places])
        timesteps = torch.tensor([timestep], device=latents.device, dtype=torch.int64)
        deep = self._deep_features(jobs)
        levels = self._unet.levels_of(deep.skips) if deep is not None and deep.reused else None
        features = self._features(places, timesteps, levels)
        eps = self._unet(crops.to(self._settings.dtype), timesteps, self._prompt, features, window, deep)
        if deep is not None and not deep.reused and deep.kept is not None:
            # Copied: a CUDA graph writes the next call's there. Job by job: batches may become smaller.
            self._deep.update(zip(jobs, deep.kept.clone().split(window), strict=True))
        return eps.unflatten(0, (len(jobs), window))

    def _deep_features(self, jobs: Sequence[_Job]) -> DeepFeatures | None:
        """Those of an earlier step for these jobs, or room for them; None if none are ever reused."""
        if self._settings.reuse_steps == 1:
            return None
        reused = all(job in self._deep for job in jobs)
        return DeepFeatures(
            self._settings.reuse_skips, torch.cat([self._deep[job] for job in jobs]) if reused else None
        )

    def _features(
        self, places: Sequence[tuple[Tile, int]], timesteps: Tensor, levels: int | None = None
    ) -> Mapping[int, Tensor]:
        """Structure features of some tiles of some frames, computed once for those that several windows see."""
        order = {place: number for number, place in enumerate(dict.fromkeys(places))}
        structure = torch.stack([tile.crop(self._structure[frame]) for tile, frame in order])
        features = self._structure_encoder(structure, timesteps, levels)
        if len(order) == len(places):
            return features
        index = torch.tensor([order[place] for place in places], device=structure.device)
        return {width: feature[index] for width, feature in features.items()}
