"""The decode stage's work: loads the autoencoder, and decodes and writes the frames of one chunk after another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from models.canvas import REFERENCE_SCALE, Canvas, flow_frames
from models.colour_fix import adain, wavelet
from models.device import onto
from models.memory import ShrinkingByCall
from stages.contract import Fact
from stages.decode.beside import worked_beside
from stages.decode.config import DecodeConfig
from stages.decode.even import even_places_of
from stages.decode.fidelity import Figures, as_tensor, back_project
from stages.decode.finishing import finished_frames
from stages.decode.moving import MovingFrames
from stages.decode.tiles import joined
from stages.decode.windows import decoded_frames, pick
from stages.device import LEAST_TILE, compiled, placed, quickened
from stages.geometry import canvas_of, reduction_to_source
from stages.items import Chunk, ChunkTask
from stages.media.frames import FrameWriter, OutputFormat, output_format, read_frames
from stages.media.table import read_table
from stages.network_work import NetworkWork
from stages.sample.latents import ESTIMATE_NAME, load_pieces


class Decoding(NetworkWork[DecodeConfig]):
    """The autoencoder of the decode stage."""

    def _load(self) -> None:
        self.vae = placed(self.folder.vae(), self.device, self.dtype)
        self.tile = ShrinkingByCall("decode.tile", self.config.tile, least=LEAST_TILE)
        quickened(self.setting, self.vae.encoder, self.vae.decoder)
        compiled(self.setting, self.vae.encoder, self.vae.decoder)

    @torch.inference_mode()
    def work_on(self, task: ChunkTask) -> Mapping[str, Fact]:
        """Decode one chunk; the frames of one window are in memory at a time."""
        source, frames = task.inputs["split"], len(task.chunk)
        table = read_table(source)
        canvas = canvas_of(table, self.setting, self.folder)
        inputs = MovingFrames(read_frames(source), frames, str(source))
        restore = self._restorer(task.inputs["sample"], canvas, frames)
        decoded = decoded_frames(frames, self.config, lambda numbers: restore(inputs.take(numbers), numbers))
        small = (self._small(frame, canvas) for frame in read_frames(source))
        finished = finished_frames(decoded, small, task.inputs["flow"], self.config, self.setting.threads)
        height, width = canvas.output
        figures = Figures()
        delivered = self._delivered(finished, canvas, read_frames(source), figures)
        self._write(delivered, task, output_format(table, width, height))
        return {"frames": frames, "width": width, "height": height, **figures.facts()}

    def _small(self, frame: np.ndarray, canvas: Canvas) -> Tensor:
        """A source frame on the canvas, reduced to about the size it came in, [3, h, w] in [-1, 1]."""
        enlarged = canvas.enter(as_tensor(frame, self.device) * 2 - 1)
        return flow_frames(enlarged, reduction_to_source(canvas, REFERENCE_SCALE))[0] * 2 - 1

    def _restorer(self, sampled: Path, canvas: Canvas, frames: int) -> Callable[[Tensor, list[int]], Tensor]:
        """A function: source frames [n, 3, h, w] in [-1, 1], and their numbers -> decoded ones on the canvas."""
        file, factor = sampled / ESTIMATE_NAME, self.folder.downscale
        estimates = MovingFrames(read_frames(file), frames, str(file)) if file.exists() else None
        pieces = load_pieces(sampled, factor)
        tiles = [piece.tile for piece in pieces]
        latents = [onto(self.device, piece.latents) / self.vae.config.scaling_factor for piece in pieces]

        def restore(inputs: Tensor, numbers: list[int]) -> Tensor:
            enlarged = canvas.enter(onto(self.device, inputs))
            images = enlarged if estimates is None else canvas.pad(onto(self.device, estimates.take(numbers)))
            parts = (self._decode(pick(z, numbers), tile.crop(images)) for tile, z in zip(tiles, latents, strict=True))
            # Tiles of the published outer split are finished each by itself.
            coloured = (self._fix_colour(part, t.crop(enlarged)) for t, part in zip(tiles, parts, strict=True))
            return joined(tiles, coloured, canvas.padded)

        return restore

    def _decode(self, latents: Tensor, images: Tensor) -> Tensor:
        c = self.config

        def decode(tile: int) -> Tensor:
            features = self.vae.encode(images.to(self.dtype), tile, c.tile_memory).features
            inputs = latents.to(self.dtype), features, c.fusion_weight, len(latents)
            return self.vae.decode(*inputs, tile=tile, keep=c.tile_memory).float()

        return self.tile.of(len(latents), *latents.shape[-2:])(decode, max(latents.shape[-2:]))[0]

    def _fix_colour(self, decoded: Tensor, enlarged: Tensor) -> Tensor:
        if self.config.colour_fix == "adain":
            return adain(decoded, enlarged)
        if self.config.colour_fix == "wavelet":
            return wavelet(decoded, enlarged)
        return decoded

    def _delivered(
        self, frames: Iterator[Tensor], canvas: Canvas, sources: Iterator[np.ndarray], figures: Figures
    ) -> Iterator[np.ndarray]:
        """The frames as they are written: cropped to the output's size, [H, W, 3] in [0, 1]."""
        for frame, given in zip(frames, sources, strict=True):
            image = ((canvas.leave(frame[None]) + 1) / 2).clamp(0, 1)
            source = as_tensor(given, image.device)
            if self.config.back_projection:
                image = back_project(image, source, self.config.back_projection)
            if self.config.even_places == "source":
                image = even_places_of(source, image)
            figures.add(image, source)
            if self.config.rounding == "truncate8":
                image = torch.floor(image * 255) / 255
            yield np.ascontiguousarray(image[0].permute(1, 2, 0).cpu().numpy())

    def _write(self, frames: Iterator[np.ndarray], task: ChunkTask, layout: OutputFormat) -> None:
        with ExitStack() as files:
            writers: dict[str, FrameWriter] = {}

            def write(numbered: tuple[int, np.ndarray]) -> None:
                number, frame = numbered
                part = _part(task.chunk, number)
                if part not in writers:
                    writers[part] = files.enter_context(FrameWriter(_path(task.output, part), layout))
                writers[part].write(frame)

            for _ in worked_beside(enumerate(frames, start=task.chunk.start), write, "encoder"):
                pass


def _part(chunk: Chunk, number: int) -> str:
    if number < chunk.core.start:
        return "head"
    return "segment" if number < chunk.core.stop else "tail"


def _path(folder: Path, part: str) -> Path:
    return folder / f"{part}.mkv"
