"""The published video VAE: configuration and key names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

from torch import Tensor

from models.checkpoint.renaming import Modules, refuse_unless, rename
from models.fusion import FeatureFusion, ResidualDenseBlock
from models.vae import TemporalVAE
from models.vae_decoder import DecoderLevel
from models.vae_encoder import EncoderLevel

TRAINING_ONLY = "loss."
"""Prefix of the tensors in the VAE's checkpoint that only its training needs."""


def from_official_config(official: Mapping[str, Any]) -> dict[str, Any]:
    """Translate ``{ddconfig, embed_dim, scale_factor}`` to arguments of ``TemporalVAE``.

    Raises:
        CheckpointError: an option asks for something the published network does not have.
    """
    network: Mapping[str, Any] = official["ddconfig"]
    refuse_unless(network, {"double_z": True, "resamp_with_conv": True, "out_ch": network["in_channels"]})
    refuse_unless({"attn_resolutions": list(network.get("attn_resolutions", []))}, {"attn_resolutions": []})
    width = network["ch"]
    arguments = {
        "in_channels": network["in_channels"],
        "latent_channels": official["embed_dim"],
        "z_channels": network["z_channels"],
        "base_channels": width,
        "block_out_channels": tuple(width * factor for factor in network["ch_mult"]),
        "layers_per_block": network["num_res_blocks"],
        "scaling_factor": official.get("scale_factor", 0.18215),
    }
    if "num_frames" in network:
        arguments["num_frames"] = network["num_frames"]
    return arguments


def load(vae: TemporalVAE, official: Mapping[str, Tensor]) -> TemporalVAE:
    """Fill ``vae`` with the published tensors (keys ``encoder.*``, ``decoder.*``, ``[post_]quant_conv.*``).

    Tensors that only the training needs (``loss.*``) are passed over.

    Raises:
        CheckpointError: tensors are missing, left over or of the wrong shape.
    """
    vae.load_state_dict(rename_vae(vae, official))
    return vae


def rename_vae(vae: TemporalVAE, official: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the published tensors under the names of ``vae``, which may live on the meta device."""
    needed = {key: value for key, value in official.items() if not key.startswith(TRAINING_ONLY)}
    return rename(vae, official_names(vae), needed)


def official_names(vae: TemporalVAE) -> Modules:
    """Return the official name of every module of ``vae``."""
    names = {"quant_conv": "quant_conv", "post_quant_conv": "post_quant_conv"}
    for side in ("encoder", "decoder"):
        names |= {f"{side}.{name}": f"{side}.{name}" for name in ("conv_in", "norm_out", "conv_out")}
        names |= _middle(f"{side}.middle", f"{side}.mid")
    names["decoder.middle.temporal"] = "decoder.temporal_mixing"
    for level, module in enumerate(cast(Iterable[EncoderLevel], vae.encoder.levels)):
        ours, theirs = f"encoder.levels.{level}", f"encoder.down.{level}"
        for block in range(len(module.resnets)):
            names |= _resnet(f"{ours}.resnets.{block}", f"{theirs}.block.{block}")
        names[f"{ours}.downsampler.conv"] = f"{theirs}.downsample.conv"
    top = len(vae.decoder.levels) - 1
    for index, decoder_level in enumerate(cast(Iterable[DecoderLevel], vae.decoder.levels)):
        level = top - index
        ours, theirs = f"decoder.levels.{index}", f"decoder.up.{level}"
        for block in range(len(decoder_level.resnets)):
            names |= _resnet(f"{ours}.resnets.{block}", f"{theirs}.block.{block}")
            names[f"{ours}.temporal.{block}"] = f"{theirs}.temporal_mixing.{block}"
        names[f"{ours}.upsampler.conv"] = f"{theirs}.upsample.conv"
        if decoder_level.fusion is not None:
            names |= _fusion(decoder_level.fusion, f"{ours}.fusion", f"decoder.fusion_layer_{level}")
    return names


def _resnet(ours: str, theirs: str, shortcut: str = "nin_shortcut") -> dict[str, str]:
    names = {f"{ours}.{name}": f"{theirs}.{name}" for name in ("norm1", "conv1", "norm2", "conv2")}
    return names | {f"{ours}.conv_shortcut": f"{theirs}.{shortcut}"}


def _middle(ours: str, theirs: str) -> dict[str, str]:
    attention = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}
    names = {f"{ours}.attention.{name}": f"{theirs}.attn_1.{official}" for name, official in attention.items()}
    return names | _resnet(f"{ours}.resnets.0", f"{theirs}.block_1") | _resnet(f"{ours}.resnets.1", f"{theirs}.block_2")


def _fusion(fusion: FeatureFusion, ours: str, theirs: str) -> dict[str, str]:
    names = _resnet(f"{ours}.reduce", f"{theirs}.encode_enc_1", shortcut="conv_out")
    names |= _resnet(f"{ours}.refine", f"{theirs}.encode_enc_3", shortcut="conv_out")
    for block, dense in enumerate(cast(Iterable[ResidualDenseBlock], fusion.dense)):
        for conv in range(len(dense.convs)):
            names[f"{ours}.dense.{block}.convs.{conv}"] = f"{theirs}.encode_enc_2.{block}.conv{conv + 1}"
    return names
