"""The sample stage's work: loads its networks and samples the latents of one chunk after another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from models.canvas import Canvas
from models.device import onto
from models.memory import ShrinkingByCall
from models.motion import Motion
from models.sampler import sample_chunk
from models.steps import GuidanceSettings, SamplerSettings
from models.vae import EncodedFrames
from models.windowed import WindowSettings, fitting_batches
from stages.contract import Fact
from stages.device import LEAST_TILE, compiled, placed, quickened
from stages.flow.flows import read_motion
from stages.geometry import canvas_of
from stages.items import Chunk, ChunkTask
from stages.media.frames import FrameWriter, read_frames, rgb_format
from stages.media.table import read_table
from stages.network_work import NetworkWork
from stages.sample.config import USUAL_BATCH, SampleConfig
from stages.sample.estimate import quantise, recurrent_estimates
from stages.sample.latents import ESTIMATE_NAME, Piece, save_pieces
from stages.sample.noise import ChunkNoise
from stages.sample.outer_tiles import OuterTile, outer_tiles

ESTIMATE_BITS = 10


class Sampling(NetworkWork[SampleConfig]):
    """The networks of the sample stage."""

    def _load(self) -> None:
        self.vae = placed(self.folder.vae(), self.device, self.dtype)
        self.encode_tile = ShrinkingByCall("sample.encode_tile", self.config.encode_tile, least=LEAST_TILE)
        self.batches = fitting_batches(self._batch(), self.device)
        self.unet = placed(self.folder.unet(), self.device, self.dtype)
        self.structure_encoder = placed(self.folder.structure_encoder(), self.device, self.dtype)
        quickened(self.setting, self.unet, self.structure_encoder, self.vae.encoder)
        compiled(self.setting, self.unet, self.structure_encoder, self.vae.encoder)
        self.prompt = self.folder.prompt()
        self.schedule = self.folder.schedule()
        self.recurrent = None
        if self.config.initial_estimate == "recurrent":
            self.recurrent = placed(self.folder.initial_estimate(), self.device).refine_in(self.dtype)
            quickened(self.setting, self.recurrent)

    def _batch(self) -> int | None:
        """The batch, or None for what the memory has room for: not known beforehand of compiled calls on a CPU."""
        unknown = self.device.type == "cpu" and self.setting.compile != "off"
        return USUAL_BATCH if unknown and self.config.batch is None else self.config.batch

    @torch.inference_mode()
    def work_on(self, task: ChunkTask) -> Mapping[str, Fact]:
        """Sample the latents of one chunk.

        Of its frames at output size one is in memory at a time, or, on a CPU, as much of the chunk's recurrent
        estimates as ``estimate_memory`` lends to their features.
        """
        source, chunk = task.inputs["split"], task.chunk
        canvas = canvas_of(read_table(source), self.setting, self.folder)
        tiles = outer_tiles(canvas.padded, self.config.pixel_tile, self.config.pixel_stride, self.folder.downscale)
        noise = self._noise(chunk, tiles)
        structures = self._encode(self._images(source, task.output, canvas), tiles, len(chunk), noise)
        motion = read_motion(task.inputs["flow"]).padded(len(structures[0]) - 1)
        pieces = [
            Piece(tile.picture, self._sample(structure, tile.crop_motion(motion), noise))
            for tile, structure in zip(tiles, structures, strict=True)
        ]
        save_pieces(task.output, pieces)
        return {"frames": len(chunk), "steps": self.config.steps}

    def _noise(self, chunk: Chunk, tiles: list[OuterTile]) -> ChunkNoise:
        restarted = self.config.noise == "restarted" and len(tiles) > 1
        period = self.unet.config.num_frames if restarted else None
        return ChunkNoise(self.setting.seed, chunk.video, chunk.start, period)

    def _images(self, source: Path, output: Path, canvas: Canvas) -> Iterator[Tensor]:
        """The frames to encode, [1, 3, *canvas.padded] in [-1, 1]; recurrent estimates are written as they go by."""
        frames = (torch.from_numpy(frame).permute(2, 0, 1).contiguous() for frame in read_frames(source))
        if self.recurrent is None:
            for frame in frames:
                yield canvas.enter(onto(self.device, frame[None]) * 2 - 1)
            return
        clip = onto(self.device, torch.stack(list(frames)))
        height, width = canvas.upscaled
        with FrameWriter(output / ESTIMATE_NAME, rgb_format(width, height, ESTIMATE_BITS)) as writer:
            for exact in recurrent_estimates(self.recurrent, clip, canvas, self.config.estimate_memory):
                estimate = quantise(exact, ESTIMATE_BITS)
                writer.write(np.ascontiguousarray(estimate[0].permute(1, 2, 0).float().cpu().numpy()))
                yield canvas.pad(estimate.contiguous() * 2 - 1)

    def _encode(self, images: Iterator[Tensor], tiles: list[OuterTile], frames: int, noise: ChunkNoise) -> list[Tensor]:
        """For each tile the scaled latents [n, C, h, w] of all frames; the last is repeated as often as it takes.

        Each repetition is a draw of its own from the posterior, as published.
        """
        latents: list[list[Tensor]] = [[] for _ in tiles]
        for offset, image in enumerate(images):
            repetitions = range(offset, self._filled(frames) if offset == frames - 1 else offset + 1)
            for tile, found in zip(tiles, latents, strict=True):
                encoded = self._encoded(tile.picture.crop(image).to(self.dtype))
                for number in repetitions:
                    latent = encoded.mode()
                    if self.config.sample_posterior:
                        latent = encoded.sample(noise(number, "posterior", latent.shape[1:]).to(latent)[None])
                    found.append((latent * self.vae.config.scaling_factor).float())
        return [torch.cat(found) for found in latents]

    def _encoded(self, images: Tensor) -> EncodedFrames:
        side = max(images.shape[-2:]) // self.folder.downscale
        return self.encode_tile.of(*images.shape[-2:])(lambda tile: self.vae.encode(images, tile), side)[0]

    def _filled(self, frames: int) -> int:
        """The length of a chunk with the repetitions of its last frame, if it is to be filled up."""
        window = self.unet.config.num_frames
        return -(-frames // window) * window if self.config.last_window == "repeat" else frames

    def _sample(self, structure: Tensor, motion: Motion, noise: ChunkNoise) -> Tensor:
        shape = structure.shape[1:]
        return sample_chunk(
            self.unet,
            self.structure_encoder,
            self.schedule,
            structure,
            self.prompt,
            lambda offset, step: noise(offset, step, shape),
            self._settings(),
            motion=motion,
            batches=self.batches,
        )

    def _settings(self) -> SamplerSettings:
        config = self.config
        return SamplerSettings(
            steps=config.steps,
            start=config.start,
            solver=config.solver,
            last_window=config.last_window,
            windows=WindowSettings(
                num_frames=self.unet.config.num_frames,
                overlap=config.window_overlap,
                tile=config.tile,
                tile_overlap=config.tile_overlap,
                tile_shift=config.tile_shift,
                batch=config.batch,
                dtype=self.dtype,
                reuse_steps=config.reuse_steps,
                reuse_skips=config.reuse_skips,
            ),
            guidance=GuidanceSettings(**config.guidance.model_dump()),
        )
