"""The sample stage: initial estimate, encoding, and guided sampling of all windows of a chunk in lockstep."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from models.canvas import Canvas
from models.folder import ModelFolder
from models.guidance import Motion
from models.noise import frame_noise
from models.sampler import GuidanceSettings, SamplerSettings, sample_chunk
from models.windowed import WindowSettings
from stages.contract import Resources, Result, Stage
from stages.device import placed, prepare_device
from stages.geometry import canvas_of
from stages.items import Chunk, ChunkTask
from stages.media.frames import FrameWriter, read_frames, rgb_format
from stages.media.table import read_table
from stages.sample.config import SampleConfig
from stages.sample.estimate import quantise, recurrent_estimate
from stages.setting import ModelSetting

ESTIMATE_NAME = "estimate.mkv"
LATENTS_NAME = "latents.safetensors"
ESTIMATE_BITS = 10


class SampleStage(Stage[ChunkTask, Result]):
    """Writes ``latents.safetensors`` (latents [n, C, h, w], scaled, float32).

    A recurrent initial estimate is written too (``estimate.mkv``, R'G'B' at 10 bits): decode needs it again, and it is
    the costliest part to compute.
    """

    name = "sample"
    resources = Resources(cpus=1.0)

    def __init__(self, config: SampleConfig, setting: ModelSetting) -> None:
        self.config, self.setting = config, setting
        self.folder = ModelFolder(setting.model)

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Everything besides inputs and weights that decides the output; the batch size does not."""
        shared = self.setting.model_dump(mode="json", include={"scale", "canvas", "seed", "precision"})
        return {**self.config.model_dump(mode="json", exclude={"batch"}), **shared}

    @property
    def weights_digest(self) -> str:
        """Digest of all networks that take part."""
        parts = ["unet", "structure_encoder", "vae", "scheduler", "prompt"]
        if self.config.initial_estimate == "recurrent":
            parts.append("initial_estimate")
        return self.folder.digest(*parts)

    def setup(self) -> None:
        """Load the networks."""
        self.device, self.dtype = prepare_device(self.setting)
        self.vae = placed(self.folder.vae(), self.device, self.dtype)
        self.unet = placed(self.folder.unet(), self.device, self.dtype)
        self.structure_encoder = placed(self.folder.structure_encoder(), self.device, self.dtype)
        self.prompt = self.folder.prompt()
        self.schedule = self.folder.schedule()
        self.recurrent = None
        if self.config.initial_estimate == "recurrent":
            self.recurrent = placed(self.folder.initial_estimate(), self.device)

    @torch.inference_mode()
    def run(self, task: ChunkTask) -> Result:
        """Sample the latents of one chunk."""
        source = task.inputs["split"]
        canvas = canvas_of(read_table(source), self.setting, self.folder)
        frames = torch.stack([torch.from_numpy(frame).permute(2, 0, 1) for frame in read_frames(source)])
        if self.recurrent is not None:
            estimate = quantise(recurrent_estimate(self.recurrent, frames.to(self.device), canvas), ESTIMATE_BITS)
            self._write_estimate(task, estimate, canvas)
            images = canvas.pad(estimate * 2 - 1)
        else:
            images = canvas.enter(frames.to(self.device) * 2 - 1)
        structure = self._encode(images, task.chunk)
        latents = self._sample(structure, task)
        save_file({"latents": latents.float().cpu().contiguous()}, task.output / LATENTS_NAME)
        return Result({"frames": len(task.chunk), "steps": self.config.steps})

    def _write_estimate(self, task: ChunkTask, estimate: Tensor, canvas: Canvas) -> None:
        height, width = canvas.upscaled
        with FrameWriter(task.output / ESTIMATE_NAME, rgb_format(width, height, ESTIMATE_BITS)) as writer:
            for frame in estimate:
                writer.write(np.ascontiguousarray(frame.permute(1, 2, 0).float().cpu().numpy()))

    def _encode(self, images: Tensor, chunk: Chunk) -> Tensor:
        """Scaled latents [n, C, h, w] of frames [n, 3, H, W] in [-1, 1], a frame at a time."""
        latents = []
        for offset, image in enumerate(images):
            encoded = self.vae.encode(image[None].to(self.dtype))
            latent = encoded.mode()
            if self.config.sample_posterior:
                latent = encoded.sample(self._noise(chunk, offset, "posterior", latent.shape[1:]).to(latent)[None])
            latents.append(latent * self.vae.config.scaling_factor)
        return torch.cat(latents).float()

    def _noise(self, chunk: Chunk, offset: int, step: int | str, shape: torch.Size) -> Tensor:
        return frame_noise(self.setting.seed, chunk.video, chunk.start + offset, step, shape)

    def _sample(self, structure: Tensor, task: ChunkTask) -> Tensor:
        flows = load_file(task.inputs["flow"] / "flow.safetensors")
        motion = Motion(
            flows["forward"],
            flows["backward"],
            flows["forward_occlusion"].float(),
            flows["backward_occlusion"].float(),
        )
        shape = structure.shape[1:]
        return sample_chunk(
            self.unet,
            self.structure_encoder,
            self.schedule,
            structure,
            self.prompt,
            lambda offset, step: self._noise(task.chunk, offset, step, shape),
            self._settings(),
            motion=motion,
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
            ),
            guidance=GuidanceSettings(**config.guidance.model_dump()),
        )
