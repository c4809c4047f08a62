"""Folders of the form of ``tests/golden``, of any sizes, made with our own networks under official names.

What is in them is what we compute; that it is what the published system computes, only the golden vectors can say. They
show that the parity benchmark depends on no size of those.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import official_tensors
import torch
from official_tensors import random_like
from safetensors.torch import save_file
from torch import Tensor, nn

from models.checkpoint import structure_encoder as structure_checkpoint
from models.checkpoint import unet as unet_checkpoint
from models.checkpoint import vae as vae_checkpoint
from models.motion import Motion
from models.schedule import DiffusionSchedule
from models.structure_encoder import StructureEncoder
from models.unet import DenoisingUNet
from models.vae import TemporalVAE

GOLDEN = Path(__file__).parents[1] / "golden"


@dataclass(frozen=True)
class Form:
    """What a folder is made with.

    Attributes:
        seed: of all values.
        frames: in a window.
        unet: official configuration of the UNet, without ``num_frames``.
        encoder: likewise of the structure encoder.
        vae: likewise of the VAE: ``ddconfig`` without ``num_frames``, ``embed_dim``, ``scale_factor``.
        networks_hw: size of the latents that the networks are tried on.
        canvas_hw: size of the latents that are sampled.
        low_hw: size of the frames that are restored.
        steps: of sampling.
        tile: side of the tiles.
        overlap: of the tiles.
        guidance: scale of the guidance.
        fusion: weight of the features in the whole run.
        upscale: of the whole run.
        flow_hw: size of the images whose flow is estimated.
        iterations: of RAFT.
        eight_bits: whether weights are stored in 8 bits.
    """

    seed: int
    frames: int
    unet: dict[str, Any]
    encoder: dict[str, Any]
    vae: dict[str, Any]
    networks_hw: tuple[int, int]
    canvas_hw: tuple[int, int]
    low_hw: tuple[int, int]
    steps: int
    tile: int
    overlap: int
    guidance: float
    fusion: float
    upscale: float
    flow_hw: tuple[int, int]
    iterations: int
    eight_bits: bool


class Folder:
    """Writes the files of a form, one after the other.

    Args:
        path: an empty folder.
        form: what to make it with.
    """

    def __init__(self, path: Path, form: Form) -> None:
        self.path, self.form = path, form
        self.generator = torch.Generator().manual_seed(form.seed)
        self.schedule = DiffusionSchedule.base()
        self.unet, self.unet_weights = self._network(
            DenoisingUNet(**unet_checkpoint.from_official_config(self.unet_config)),
            unet_checkpoint.official_names,
            unet_checkpoint.load,
            official_tensors.UNET,
        )
        self.encoder, self.encoder_weights = self._network(
            StructureEncoder(**structure_checkpoint.from_official_config(form.encoder)),
            structure_checkpoint.official_names,
            structure_checkpoint.load,
            official_tensors.STRUCTURE_ENCODER,
        )
        self.vae, self.vae_weights = self._network(
            TemporalVAE(**vae_checkpoint.from_official_config(self.vae_config)),
            vae_checkpoint.official_names,
            vae_checkpoint.load,
            official_tensors.VAE,
        )

    @property
    def unet_config(self) -> dict[str, Any]:
        return {"num_frames": self.form.frames, "use_spatial_transformer": True, **self.form.unet}

    @property
    def vae_config(self) -> dict[str, Any]:
        network = {
            "double_z": True,
            "num_frames": self.form.frames,
            "attn_resolutions": [],
            **self.form.vae["ddconfig"],
        }
        return {**self.form.vae, "ddconfig": network}

    def _network(
        self, network: Any, names: Callable[[Any], Any], load: Callable[[Any, Any], Any], convolutional: dict[str, int]
    ) -> tuple[Any, dict[str, Tensor]]:
        like = official_tensors.official_tensors(network, names(network), convolutional)
        weights = random_like(like, self.form.seed, self.form.eight_bits)
        return load(network, weights).eval(), weights

    def randn(self, *shape: int) -> Tensor:
        return torch.randn(shape, generator=self.generator)

    def pixels(self, *shape: int) -> Tensor:
        return torch.randint(0, 256, shape, generator=self.generator, dtype=torch.uint8)

    def flows(self, height: int, width: int) -> Tensor:
        """Forward and backward flow that roughly agree (some pixels are visible): [2, 1, frames - 1, 2, h, w]."""
        coarse = 2 * self.randn(self.form.frames - 1, 2, 3, 4)
        forward = nn.functional.interpolate(coarse, size=(height, width), mode="bicubic")
        noise = 0.2 * self.randn(*forward.shape)
        return torch.stack((forward, noise - forward))[:, None]

    def motion(self, flow1: Tensor, flow0: Tensor) -> Motion:
        return Motion.from_flow(flow1[0], flow0[0])

    def write(
        self,
        name: str,
        config: dict[str, Any],
        inputs: dict[str, Tensor],
        outputs: dict[str, Tensor],
        weights: dict[str, Tensor] | None = None,
        **facts: Any,
    ) -> None:
        """One file of vectors and its json."""
        tensors = {f"in.{key}": value for key, value in inputs.items()}
        tensors |= {f"out.{key}": value.detach() for key, value in outputs.items()}
        kind = torch.float8_e4m3fn if self.form.eight_bits else torch.float32
        tensors |= {f"weights.{key}": value.to(kind) for key, value in (weights or {}).items()}
        save_file(
            {key: value.contiguous().clone() for key, value in tensors.items()}, self.path / f"{name}.safetensors"
        )
        table = {key: [list(value.shape), str(value.dtype).removeprefix("torch.")] for key, value in tensors.items()}
        (self.path / f"{name}.json").write_text(json.dumps({"config": config, **facts, "tensors": table}))
