"""Restoring frames in the order of work of the published system (golden README, sections 8, 9, 12 and 14).

It is written for being plain, not for being fast: one window of frames after the other; one tile per call of the
networks; structure features again for every tile and step; the prompt once for every frame; the temporal convolutions
in three dimensions, mixed with their input afterwards; the gradient of the guidance by autograd, the warps' grids built
anew each time; the frozen encoder of the VAE twice. Networks and weights are the same objects that ours uses.

Left out, which favours it: the outer tiles in pixels that the published system cuts for sides above 960 pixels, and
attention is the fused one everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from diffusers.models.resnet import ResnetBlock2D
from torch import Tensor

from benchmarks.sampler_case import Case, Clock, Networks, Restored
from models.lean_resnet import LeanResnetBlock
from models.motion import Motion
from models.sampler import START
from models.schedule import DiffusionSchedule
from models.steps import SamplerSettings
from models.temporal import SpatialTemporalConv, count_windows
from models.tiling import canvas_tiles, gaussian_weights
from models.warping import warp


@torch.no_grad()
def restore_plainly(settings: SamplerSettings, networks: Networks, case: Case, clock: Clock) -> Restored:
    """Encode, sample and decode the frames of a case, a window at a time.

    Args:
        settings: steps, tiles and guidance, of the published form.
        networks: float32, on the case's device; on a GPU they run under autocast to float16.
        case: a whole number of windows.
        clock: told what "encode", "sample" and "decode" take.

    Raises:
        ValueError: if the settings are not the published ones, or the frames are no whole windows.
    """
    if settings.guidance.form != "published" or settings.solver != "ddpm" or settings.start != 1:
        raise ValueError("the published system samples by ddpm from full noise with its own guidance")
    window = settings.windows.num_frames
    count_windows(len(case.images), window)
    device = case.images.device.type
    parts = []
    with torch.autocast(device, torch.float16, enabled=device == "cuda"), published_layers():
        for start in range(0, len(case.images), window):
            parts.append(_restore_window(networks, case, slice(start, start + window), settings, clock))
    return Restored(*(torch.cat(tensors).float() for tensors in zip(*parts, strict=True)))


def _restore_window(
    networks: Networks, case: Case, frames: slice, settings: SamplerSettings, clock: Clock
) -> tuple[Tensor, Tensor]:
    images, scaling = case.images[frames], networks.vae.config.scaling_factor
    with clock.part("encode"):
        structure = scaling * networks.vae.encode(images).sample(case.posterior[frames]).float()
    with clock.part("sample"):
        latents = _sample_window(networks, structure, case, frames, settings)
    with clock.part("encode"):
        features = networks.vae.encode(images).features
    with clock.part("decode"):
        return latents, networks.vae.decode(latents / scaling, features, 1.0, len(images))


def _sample_window(
    networks: Networks, structure: Tensor, case: Case, frames: slice, settings: SamplerSettings
) -> Tensor:
    base = DiffusionSchedule.base()
    schedule = base.respace(settings.steps)
    motion = case.motion.pairs(frames.start, frames.stop - 1)

    def draw(step: int | str) -> Tensor:
        return torch.stack([case.noise(frame, step) for frame in range(frames.start, frames.stop)]).to(structure)

    latents = base.add_noise(structure, draw(START), len(base) - 1)
    for step in range(settings.steps):
        index = settings.steps - 1 - step
        eps = _predict(networks, latents, structure, int(schedule.timesteps[index]), settings)
        clean = schedule.predict_clean(latents, eps, index)
        log_variance = float(schedule.posterior_log_variance_clipped[index])
        fresh = draw(step) * float(torch.tensor(0.5 * log_variance).exp())
        latents = schedule.posterior_mean(clean, latents, index) + (index > 0) * fresh
        latents = latents - settings.guidance.scale * log_variance * guidance_gradient(latents, motion)
    return latents


def _predict(
    networks: Networks, latents: Tensor, structure: Tensor, timestep: int, settings: SamplerSettings
) -> Tensor:
    """Predicted noise ``[window, C, h, w]``: the tiles one by one, blended by float64 weights."""
    height, width = latents.shape[-2:]
    side = settings.windows.tile or max(height, width)
    timesteps = torch.tensor([timestep], device=latents.device)
    prompt = None if networks.prompt is None else networks.prompt.repeat(len(latents), 1, 1)
    total = torch.zeros_like(latents, dtype=torch.float64)
    norm = torch.zeros_like(total)
    for tile in canvas_tiles(height, width, side, settings.windows.tile_overlap):
        crop = tile.crop(latents)
        features = networks.structure_encoder(tile.crop(structure), timesteps)
        eps = networks.unet(crop, timesteps, prompt, features, num_frames=len(latents))
        weights = gaussian_weights(*crop.shape[-2:]).to(latents.device)
        tile.crop(total).add_(weights * eps)
        tile.crop(norm).add_(weights)
    return (total / norm).to(latents.dtype)


def guidance_gradient(latents: Tensor, motion: Motion) -> Tensor:
    """Gradient of ``guidance_loss`` by autograd, ``[n, C, h, w]``."""
    with torch.enable_grad():
        watched = latents.detach().requires_grad_()
        return torch.autograd.grad(guidance_loss(watched, motion), watched)[0]


def guidance_loss(latents: Tensor, motion: Motion) -> Tensor:
    """The published loss of one window, its indices as they are there (golden README, section 6)."""
    pairs = len(motion)
    loss = latents.new_zeros(())
    for i in reversed(range(pairs)):
        frame, visible = latents[i : i + 1], 1 - motion.forward_occlusion[i : i + 1]
        neighbour = torch.zeros_like(frame)
        if i < pairs - 1:
            neighbour = warp(latents[i + 1 : i + 2], motion.forward[i + 1 : i + 2])
        loss = loss + (visible * neighbour - visible * frame).abs().mean()
    for i in range(pairs):
        frame, visible = latents[i + 1 : i + 2], 1 - motion.backward_occlusion[i : i + 1]
        neighbour = torch.zeros_like(frame)
        if i > 0:
            neighbour = warp(latents[i : i + 1], motion.backward[i - 1 : i])
        loss = loss + (visible * neighbour - visible * frame).abs().mean()
    return loss


@contextmanager
def published_layers() -> Iterator[None]:
    """Let the temporal convolutions run as published: a convolution in (t, h, w), then the mixture (section 1).

    And the residual blocks of VAE and structure encoder as diffusers has them.
    """

    def forward(layer: SpatialTemporalConv, x: Tensor, num_frames: int) -> Tensor:
        videos = x.unflatten(0, (count_windows(len(x), num_frames), num_frames)).transpose(1, 2)
        mixed = layer.temporal_alpha * layer.temporal_conv(videos) + (1 - layer.temporal_alpha) * videos
        return mixed.transpose(1, 2).flatten(0, 1)

    ours = SpatialTemporalConv.forward, LeanResnetBlock.forward
    SpatialTemporalConv.forward = forward  # type: ignore[method-assign, assignment]
    LeanResnetBlock.forward = ResnetBlock2D.forward  # type: ignore[method-assign]
    try:
        yield
    finally:
        SpatialTemporalConv.forward, LeanResnetBlock.forward = ours  # type: ignore[method-assign]
