"""The stages can learn at all: a small network learns one clip of five frames by heart.

The clip is always drawn as it is: mirrored, turned and played backwards it would be sixteen.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from model_folders import make_denoiser
from safetensors.torch import save_file
from stage_runs import recipe
from torch import Tensor
from torch.nn import functional

from models.folder import EMBEDDED_FOLDER, ModelFolder
from models.schedule import DiffusionSchedule
from models.vae import TemporalVAE
from training.autoencoder import autoencoder_step, measure_scaling_factor, psnr
from training.decoder import DecoderNetworks, decoder_step
from training.denoiser import Denoiser, denoiser_step
from training.estimates import EstimateDataset
from training.loop import TrainingLoop

SIDE = 32
RUN = {"warmup": 10, "checkpoint_every": 1000}


@pytest.fixture
def one_clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EstimateDataset:
    """A texture that moves two pixels a frame, and an estimate that has lost its detail."""
    noise = torch.rand(1, 3, 8, 10, generator=torch.Generator().manual_seed(3))
    wide = functional.interpolate(noise, (SIDE, SIDE + 8), mode="bicubic").clamp(0, 1)
    target = torch.stack([wide[0, :, :, 2 * index : 2 * index + SIDE] for index in range(5)])
    low = functional.interpolate(target, scale_factor=0.25, mode="bicubic", antialias=True)
    estimate = functional.interpolate(low, scale_factor=4, mode="bilinear")
    folder = tmp_path / "clips"
    folder.mkdir()
    parts = {"low": low, "estimate": estimate, "target": target}
    pixels = {name: (x.clamp(0, 1) * 255).round().to(torch.uint8)[None].contiguous() for name, x in parts.items()}
    save_file(pixels, folder / "estimates-00000.safetensors")
    for stage in ("autoencoder", "denoiser", "decoder"):
        monkeypatch.setattr(f"training.{stage}.draw_batch", lambda clips, *more: clips[0])
    monkeypatch.setattr("training.autoencoder.degrade_estimate", lambda clip, generator: clip.estimate)
    return EstimateDataset(folder)


def small_denoiser() -> Denoiser:
    torch.manual_seed(1)
    return Denoiser(*make_denoiser(latent_channels=8, width=32, structure_channels=16))


def small_vae() -> TemporalVAE:
    torch.manual_seed(0)
    return TemporalVAE(
        latent_channels=8,
        block_out_channels=(16, 24),
        layers_per_block=1,
        norm_groups=4,
        mid_attention=False,
        fusion_growth=8,
        patch_size=2,
        image_fusion=True,
        scaling_factor=1.0,
    )


@pytest.mark.slow
def test_the_autoencoder_learns_a_clip_by_heart(one_clip: EstimateDataset, tmp_path: Path) -> None:
    vae = small_vae()
    weights = {"pixel": 1.0, "kl": 1e-6}
    chosen = recipe("autoencoder", steps=240, rate=3e-3, latent_alone=0.0, ema=0.95, terms=weights, **RUN)
    clip = one_clip[0]
    target = clip.target * 2 - 1

    def reconstruction() -> float:
        with torch.no_grad():
            features = vae.encode(clip.estimate * 2 - 1).features
            return psnr(vae.decode(vae.encode(target).mean, features, 1.0, 5), target)

    before = reconstruction()
    loop, step = TrainingLoop(vae, chosen, tmp_path / "checkpoints"), autoencoder_step(vae, one_clip, chosen)
    loop.run(step)
    loop.apply_average()
    after = reconstruction()
    assert before < 20
    assert after > 35


@pytest.mark.slow
def test_the_denoiser_learns_a_clip_by_heart(one_clip: EstimateDataset, tmp_path: Path) -> None:
    vae = small_vae().eval().requires_grad_(False)
    vae.register_to_config(scaling_factor=measure_scaling_factor(vae, one_clip))
    denoiser = small_denoiser()
    chosen = recipe("denoiser", steps=150, rate=5e-3, start_levels=(0.3, 1.0), **RUN)
    loop = TrainingLoop(denoiser, chosen, tmp_path / "checkpoints")
    step = denoiser_step(denoiser, vae, DiffusionSchedule.base(), one_clip, chosen)
    loop.run(step)
    rows = [json.loads(line)["loss"] for line in (tmp_path / "checkpoints" / "log.jsonl").read_text().splitlines()]
    start, end = (sum(part) / len(part) for part in (rows[:5], rows[-30:]))
    assert end < start / 10


def warping_error_of(frames: Tensor) -> float:
    """E*warp of the restored clip ``[5, 3, h, w]``, whose content moves by two pixels a frame."""
    moved = frames[:-1, :, :, 2:] - frames[1:, :, :, :-2]
    return float(moved.square().mean())


def decoder_by_heart(clips: EstimateDataset, folder: Path, temporal: bool) -> float:
    """Train a decoder on one clip, with temporal layers or frame by frame; E*warp of what it then restores.

    The denoiser has learned nothing: its latents flicker, as those of an honest one do less.
    """
    vae = small_vae()
    for name, parameter in vae.named_parameters():
        if not temporal and "temporal_alpha" in name:
            torch.nn.init.zeros_(parameter)  # a share of 0: every frame is decoded by itself
            parameter.requires_grad_(False)
    flow = ModelFolder(EMBEDDED_FOLDER).flow("spynet").requires_grad_(False)
    networks = DecoderNetworks(vae, small_denoiser(), DiffusionSchedule.base(), flow)
    terms = {"pixel": 1.0} | ({"frame_difference": 2.0, "consistency": 2.0} if temporal else {})
    chosen = recipe("decoder", steps=50, rate=3e-3, ema=0.95, terms=terms, sampling_steps=1, **RUN)
    loop = TrainingLoop(vae, chosen, folder)
    loop.run(decoder_step(networks, clips, chosen))
    loop.apply_average()
    with torch.no_grad():
        return warping_error_of(networks.restore(clips[0], chosen, torch.Generator().manual_seed(9)))


@pytest.mark.slow
def test_the_temporal_decoder_is_at_least_twice_as_steady_as_one_frame_by_frame(
    one_clip: EstimateDataset, tmp_path: Path
) -> None:
    alone, temporal = (decoder_by_heart(one_clip, tmp_path / str(number), bool(number)) for number in (0, 1))
    assert temporal < alone / 2
