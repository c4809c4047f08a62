"""Parity of the networks, loaded from official keys by the converter (golden README, sections 1-5)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePath

import torch
from torch import Tensor

from benchmarks.generated_weights import generate_weights
from benchmarks.parity_vectors import OUTPUT, Row, Vectors, close, failed, placed
from models.checkpoint import raft as raft_checkpoint
from models.checkpoint import structure_encoder as structure_checkpoint
from models.checkpoint import unet as unet_checkpoint
from models.checkpoint import vae as vae_checkpoint
from models.checkpoint.renaming import CheckpointError
from models.raft import RAFT
from models.structure_encoder import StructureEncoder
from models.temporal import SpatialTemporalConv, TemporalAttention
from models.unet import DenoisingUNet
from models.vae import TemporalVAE

BLOCK_TOLERANCE = 1e-4
DECODE_TOLERANCE = 2e-4
FLOW_TOLERANCE = 1e-3
DEFAULT_FILES = {"unet": "unet", "encoder": "structcond_encoder", "vae": "vae"}


def sibling(v: Vectors, role: str) -> Vectors:
    """The file that holds the weights of ``role`` ("unet", "encoder" or "vae") for ``v``."""
    name = v.config.get(role, v.facts.get(role, DEFAULT_FILES[role]))
    stem = PurePath(name).name.removesuffix(".safetensors")
    return v if stem == v.name else Vectors(v.folder, stem)


def load_unet(v: Vectors) -> DenoisingUNet:
    """Every weight of the file in a network built from its configuration."""
    unet = DenoisingUNet(**unet_checkpoint.from_official_config(v.config))
    return unet_checkpoint.load(unet, v.weights()).eval()


def load_structure_encoder(v: Vectors) -> StructureEncoder:
    """Every weight of the file in a network built from its configuration."""
    encoder = StructureEncoder(**structure_checkpoint.from_official_config(v.config))
    grouped = not v.config.get("use_new_attention_order", False)
    return structure_checkpoint.load(encoder, v.weights(), grouped).eval()


def load_vae(v: Vectors) -> TemporalVAE:
    """Every weight of the file in a network built from its configuration."""
    vae, weights = TemporalVAE(**vae_checkpoint.from_official_config(v.config)), v.weights()
    # The converter passes these over; here nothing may be.
    unused = [key for key in weights if key.startswith(vae_checkpoint.TRAINING_ONLY)]
    if unused:
        raise CheckpointError(f"{len(unused)} weights of the training alone: {', '.join(unused[:5])}")
    return vae_checkpoint.load(vae, weights).eval()


def check_temporal_conv(v: Vectors) -> Iterator[Row]:
    """The temporal convolution."""
    layer = SpatialTemporalConv(v.config["num_feat"])
    layer.load_state_dict(v.weights())
    yield placed(v)
    yield from _check_temporal(v, layer)


def check_temporal_attention(v: Vectors) -> Iterator[Row]:
    """The temporal attention."""
    layer = TemporalAttention(v.config["num_feat"], v.config["num_heads"], v.config["dim_head"])
    layer.load_state_dict(v.weights())
    yield placed(v)
    yield from _check_temporal(v, layer)


def _check_temporal(v: Vectors, layer: SpatialTemporalConv | TemporalAttention) -> Iterator[Row]:
    for name in v.names(OUTPUT):
        found = layer(v.input(name.replace("y", "x", 1)), num_frames=v.config["num_frames"])
        yield close(f"{v.name} {name}", found, v.output(name), BLOCK_TOLERANCE)


def check_structure_encoder(v: Vectors) -> Iterator[Row]:
    """All widths, for timesteps shared and per frame."""
    encoder = load_structure_encoder(v)
    yield placed(v)
    results: dict[str, dict[int, Tensor]] = {}
    for name in v.names(OUTPUT):
        time, width = re.fullmatch(r"(\w+)\.(\d+)(?:_frames?[_\d]+)?", name).groups()  # type: ignore[union-attr]
        if time not in results:
            results[time] = encoder(v.input("x"), v.input(time))
        yield close(f"{v.name} {name}", v.stored(name, results[time][int(width)]), v.output(name), BLOCK_TOLERANCE)


def check_unet(v: Vectors) -> Iterator[Row]:
    """The prediction for one window and for several, and what the middle block makes of one."""
    unet = load_unet(v)
    yield placed(v)
    if not v.names(OUTPUT):
        return
    encoder = load_structure_encoder(sibling(v, "encoder"))
    window = v.config["num_frames"]
    middle: list[Tensor] = []
    unet.middle.register_forward_hook(lambda module, arguments, result: middle.append(result))
    for name in v.names(OUTPUT):
        found = re.fullmatch(r"eps(?:(\d+)|_([^\W_]+))(?:_frames?[_\d]+)?", name)
        if not found:
            continue
        count, run = found[1] or "", found[2]
        timesteps = v.input(f"t{count}" if count else f"t_{run}")
        windows = int(count) // window if count else 1
        prompt = v.input(f"context{windows}" if windows > 1 else "context")
        structure = encoder(v.input(f"struct_latent{count}"), timesteps)
        middle.clear()
        eps = unet(v.input(f"x{count}"), timesteps, prompt, structure, num_frames=window)
        yield close(f"{v.name} {name}", v.stored(name, eps), v.output(name), BLOCK_TOLERANCE)
        for inside in v.names(OUTPUT):
            if run and re.fullmatch(rf"middle_block_{run}(?:_frames?[_\d]+)?", inside):
                yield close(f"{v.name} {inside}", v.stored(inside, middle[0]), v.output(inside), BLOCK_TOLERANCE)


def check_vae(v: Vectors) -> Iterator[Row]:
    """Encoder, posterior and decoder with several fusion weights."""
    vae = load_vae(v)
    yield placed(v)
    if not v.names(OUTPUT):
        return
    image = v.input("image")
    moments = vae.quant_conv(vae.encoder(image)[0])
    encoded = vae.encode(image)
    sample = encoded.sample(v.input("posterior_eps"))
    found = {
        "moments": moments,
        "mean": encoded.mean,
        "logvar": encoded.logvar,
        "std": (0.5 * encoded.logvar).exp(),
        "sample": sample,
        "scaled_latent": vae.config.scaling_factor * sample,
    }
    for name in v.names(OUTPUT):
        whole = re.sub(r"_frames?[_\d]+$", "", name)
        feature = re.fullmatch(r"enc_fea_(\d+)", whole)
        decoded = re.fullmatch(r"decoded(\d*)_w([\d.]+)", whole)
        if feature:
            result, tolerance = encoded.features[int(feature[1])], BLOCK_TOLERANCE
        elif decoded:
            result, tolerance = _decode(v, vae, decoded[1], float(decoded[2])), DECODE_TOLERANCE
        elif whole in found:
            result, tolerance = found[whole], BLOCK_TOLERANCE
        else:
            continue
        yield close(f"{v.name} {name}", v.stored(name, result), v.output(name), tolerance)


def _decode(v: Vectors, vae: TemporalVAE, count: str, fusion_weight: float) -> Tensor:
    image = v.input("image")
    if count:
        # "image10 = cat([image, image.flip(0)])", as the json notes.
        image = v.input(f"image{count}") if v.has(f"in.image{count}") else torch.cat((image, image.flip(0)))
    return vae.decode(
        v.input(f"z{count}"), vae.encode(image).features, fusion_weight, v.config["ddconfig"]["num_frames"]
    )


def check_flow(v: Vectors) -> Iterator[Row]:
    """RAFT both ways, with the weights of the file or of the formula."""
    weights = v.weights() or generate_weights(v.facts["state_dict_sorted"], v.facts["seed"])
    for key, expected in v.facts.get("check_values", {}).items():
        first = weights[key].flatten()[: len(expected)]
        row = close(f"{v.name} generated {key}", first, torch.tensor(expected), 0.0)
        if not row.passed:
            yield row
    raft = RAFT(**raft_checkpoint.from_official_config(v.config))
    raft_checkpoint.load(raft, weights).eval()
    yield placed(v)
    for name in v.names(OUTPUT):
        pair = re.fullmatch(r"flow_(\d+)to(\d+)", name)
        if not pair:
            yield failed(f"{v.name} {name}", "not a flow from one image to another")
            continue
        images = [v.input(f"image{number}_uint8").float() / 255 for number in pair.groups()]
        yield close(f"{v.name} {name}", raft(*images), v.output(name), FLOW_TOLERANCE)
