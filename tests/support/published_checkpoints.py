"""Small files laid out like the published checkpoints, with the weights of the golden vectors."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from models.checkpoint import structure_encoder, unet, vae
from models.configurations import Configuration
from models.schedule import DiffusionSchedule

GOLDEN = Path(__file__).parents[1] / "golden"
LAYOUT = json.loads((GOLDEN / "official_checkpoint_layout.json").read_text())
WIDTH = 64
BLOCKS = 3
VOCABULARY = 12


@dataclass(frozen=True)
class Published:
    """The tensors of the three files, by their official names; to be copied before they are changed."""

    diffusion: dict[str, Tensor]
    vae: dict[str, Tensor]
    flow: dict[str, Tensor]


@cache
def small() -> Published:
    """The whole layout at the sizes of the golden vectors (RAFT has only one size)."""
    generator = torch.Generator().manual_seed(5)
    pixels = _weights("vae")
    flow = _random("flownet_raft", generator)
    for key in flow:
        flow[key] = flow[key.replace(".downsample.1.", ".norm3.")]
    diffusion = {unet.PREFIX + key: value for key, value in _weights("unet").items()}
    diffusion |= {structure_encoder.PREFIX + key: value for key, value in _weights("structcond_encoder").items()}
    diffusion |= {f"first_stage_model.{key}": value for key, value in pixels.items() if key.startswith("encoder.")}
    diffusion["first_stage_model.decoder.conv_in.weight"] = torch.zeros(2)
    diffusion |= {f"cond_stage_model.model.{key}": value for key, value in tower(WIDTH, BLOCKS, generator).items()}
    diffusion |= {f"flownet_model.{key}": value for key, value in flow.items()}
    diffusion |= schedule_buffers()
    return Published(diffusion, pixels | {"loss.logvar": torch.zeros(())}, flow)


def configuration() -> Configuration:
    """Constructor arguments for ``small()``."""
    return Configuration(
        unet.from_official_config(_facts("unet")),
        structure_encoder.from_official_config(_facts("structcond_encoder")),
        vae.from_official_config(_facts("vae")),
    )


def full() -> Published:
    """The published sizes, on the meta device but for the schedule."""

    def group(file: str, name: str) -> dict[str, Tensor]:
        content = LAYOUT[f"{file}_checkpoint"][name]
        return {content["prefix"] + e[0]: torch.empty(e[1], device="meta") for e in content["entries"]}

    diffusion = {key: x for name in LAYOUT["diffusion_checkpoint"] for key, x in group("diffusion", name).items()}
    video_vae = {key: x for name in LAYOUT["video_vae_checkpoint"] for key, x in group("video_vae", name).items()}
    flow = {f"module.{key.removeprefix('flownet_model.')}": x for key, x in group("diffusion", "flownet_raft").items()}
    return Published(diffusion | schedule_buffers(), video_vae, flow)


def schedule_buffers() -> dict[str, Tensor]:
    """The schedule's numbers, as the checkpoint holds them."""
    entries = LAYOUT["diffusion_checkpoint"]["schedule_buffers"]["entries"]
    return {name: getattr(DiffusionSchedule.base(), name).clone() for name, _ in entries}


def tower(width: int, blocks: int, generator: torch.Generator) -> dict[str, Tensor]:
    """A text tower of random weights with the keys of the published one."""
    shapes: dict[str, tuple[int, ...]] = {}
    for key, shape in LAYOUT["diffusion_checkpoint"]["text_encoder"]["entries"]:
        number = int(key.split(".")[2]) if key.startswith("transformer") else 0
        if number < blocks:
            shapes[key] = tuple(side // 1024 * width if side % 1024 == 0 else side for side in shape)
    shapes["token_embedding.weight"] = (VOCABULARY, width)
    state = {key: 0.1 * torch.randn(shape, generator=generator) for key, shape in shapes.items()}
    return {key: value + 1 if ".ln_" in key and key.endswith("weight") else value for key, value in state.items()}


def save(path: Path, tensors: dict[str, Tensor], **state_of_training: Any) -> Path:
    """Write a file in the published container."""
    torch.save({"state_dict": tensors, "global_step": 3, **state_of_training}, path)
    return path


def _random(group: str, generator: torch.Generator) -> dict[str, Tensor]:
    state = {}
    for key, shape, *dtype in LAYOUT["diffusion_checkpoint"][group]["entries"]:
        state[key] = torch.tensor(7) if dtype else 0.02 * torch.randn(shape, generator=generator)
    return state


def _weights(name: str) -> dict[str, Tensor]:
    tensors = load_file(GOLDEN / f"{name}.safetensors")
    return {key.removeprefix("weights."): x.float() for key, x in tensors.items() if key.startswith("weights.")}


def _facts(name: str) -> dict[str, Any]:
    return json.loads((GOLDEN / f"{name}.json").read_text())["config"]
