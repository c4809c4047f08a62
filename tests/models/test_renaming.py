from __future__ import annotations

import pytest
import torch

from models.checkpoint import structure_encoder, unet, vae
from models.checkpoint.renaming import CheckpointError, _source, rename, select
from models.structure_encoder import StructureEncoder
from models.unet import DenoisingUNet
from models.vae import TemporalVAE


def test_every_complaint_names_its_keys(golden):
    vectors = golden("vae")
    network = TemporalVAE(**vae.from_official_config(vectors.facts["config"]))
    weights = dict(vectors.weights)
    del weights["encoder.conv_in.bias"]
    weights["decoder.up.9.block.0.norm1.bias"] = torch.zeros(3)
    weights["quant_conv.bias"] = torch.zeros(3)
    with pytest.raises(CheckpointError) as error:
        vae.load(network, weights)
    message = str(error.value)
    assert "1 missing: encoder.conv_in.bias" in message
    assert "1 unexpected: decoder.up.9.block.0.norm1.bias" in message
    assert "1 of the wrong shape: quant_conv.bias (3,) (wanted for quant_conv.bias (8,))" in message


def test_tensors_of_the_training_are_passed_over(golden):
    vectors = golden("vae")
    network = TemporalVAE(**vae.from_official_config(vectors.facts["config"]))
    vae.load(network, {**vectors.weights, "loss.logvar": torch.zeros(())})


def test_rows_of_both_attention_layouts_are_told_apart(golden):
    vectors = golden("structcond_encoder")
    encoder = StructureEncoder(**structure_encoder.from_official_config(vectors.facts["config"]))
    key, ours = "input_blocks.1.1.qkv.weight", "levels.0.attentions.0.to_k.weight"
    rows = vectors.weights[key].shape[0]
    weights = {**vectors.weights, key: torch.arange(rows).float()[:, None, None].expand(-1, rows // 3, 1)}
    by_head = structure_encoder.rename_structure_encoder(encoder, weights)[ours][:, 0]
    by_kind = structure_encoder.rename_structure_encoder(encoder, weights, grouped_by_head=False)[ours][:, 0]
    assert by_head[:17].tolist() == [*range(16, 32), 64.0]
    assert by_kind.tolist() == [*range(64, 128)]


def test_a_tensor_is_never_used_twice():
    network = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 2))
    with pytest.raises(KeyError, match=r"both 0.weight and 1.weight would be read from a.weight"):
        rename(network, {"0": "a", "1": "a"}, network[0].state_dict(prefix="a."))


def test_prefixes_select():
    state = {"model.a": torch.zeros(1), "other": torch.zeros(1)}
    assert list(select(state, "model.")) == ["a"]


def test_options_that_would_change_the_arithmetic_are_refused(golden):
    config = golden("unet").facts["config"]
    with pytest.raises(CheckpointError, match="use_scale_shift_norm=True is not supported, only False"):
        unet.from_official_config(config | {"use_scale_shift_norm": True})
    config = golden("vae").facts["config"]
    with pytest.raises(CheckpointError, match="attn_resolutions"):
        vae.from_official_config(config | {"ddconfig": config["ddconfig"] | {"attn_resolutions": [16]}})


@pytest.mark.parametrize("factors", [(1, 2), (1, 2, 2), (1, 1, 2, 3)])
@pytest.mark.parametrize("resolutions", [(), (1,), (2, 4), (1, 2, 4, 8)])
@pytest.mark.parametrize("several", [False, True])
def test_blocks_of_every_layout_are_numbered_without_gaps(factors, resolutions, several):
    levels = len(factors)
    blocks = [1 + level % 2 for level in range(levels)] if several else 2
    config = {
        "in_channels": 4,
        "out_channels": 4,
        "model_channels": 8,
        "channel_mult": factors,
        "num_res_blocks": blocks,
        "attention_resolutions": resolutions,
    }
    with torch.device("meta"):
        network = DenoisingUNet(
            **unet.from_official_config(config | {"num_head_channels": 4, "context_dim": 6, "semb_channels": 8}),
            norm_groups=4,
        )
        encoder = StructureEncoder(**structure_encoder.from_official_config(config | {"num_heads": 2}), norm_groups=4)
    pushed = 1 + sum(blocks if several else [2] * levels) + levels - 1
    for module, names in (
        (network, unet.official_names(network)),
        (encoder, structure_encoder.official_names(encoder)),
    ):
        sources = {_source(key, names)[0] for key in module.state_dict()}
        numbers = {side: _numbers(sources, side) for side in ("input_blocks", "output_blocks", "fea_tran")}
        assert numbers["input_blocks"] == set(range(pushed))
        if module is network:
            assert numbers["output_blocks"] == set(range(pushed))
        else:
            assert numbers["fea_tran"] == set(range(levels))


def _numbers(sources, side):
    return {int(source.split(".")[1]) for source in sources if source.startswith(f"{side}.")}
