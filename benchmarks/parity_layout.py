"""Whether the converter places every tensor of the published, full-size checkpoints (golden README, section 13)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.parity_vectors import Row, failed
from models.checkpoint.raft import rename_raft
from models.checkpoint.structure_encoder import rename_structure_encoder
from models.checkpoint.unet import rename_unet
from models.checkpoint.vae import rename_vae
from models.raft import RAFT
from models.structure_encoder import StructureEncoder
from models.unet import DenoisingUNet
from models.vae import TemporalVAE

VAE_GROUPS = ("encoder", "decoder", "quant_conv", "post_quant_conv")


def check_layout(path: Path) -> Iterator[Row]:
    """Full-size networks without memory, and tensors of the listed names and shapes for each."""
    layout = json.loads(path.read_text())
    diffusion, vae = layout["diffusion_checkpoint"], layout["video_vae_checkpoint"]
    cases: dict[str, tuple[Callable[[], nn.Module], Callable[[Any, Mapping[str, Tensor]], Any], dict[str, Tensor]]] = {
        "unet": (DenoisingUNet, rename_unet, _tensors(diffusion["unet"])),
        "struct_encoder": (StructureEncoder, rename_structure_encoder, _tensors(diffusion["struct_encoder"])),
        "flownet_raft": (RAFT, rename_raft, _tensors(diffusion["flownet_raft"])),
        "video_vae": (
            TemporalVAE,
            rename_vae,
            {vae[group]["prefix"] + key: x for group in VAE_GROUPS for key, x in _tensors(vae[group]).items()},
        ),
    }
    for name, (build, rename, official) in cases.items():
        with torch.device("meta"):
            network = build()
        label = f"{path.stem} {name}: {len(official)} tensors"
        try:
            rename(network, official)
        except (KeyError, ValueError) as error:
            yield failed(label, str(error)[:300])
        else:
            yield Row(label, 0.0, "all placed", True)


def _tensors(group: Mapping[str, Any]) -> dict[str, Tensor]:
    """Tensors without memory for the entries ``[key, shape]`` or ``[key, shape, dtype]``."""
    return {entry[0]: torch.empty(entry[1], device="meta") for entry in group["entries"]}
