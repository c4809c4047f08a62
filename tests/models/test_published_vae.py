"""What is particular about the published VAE (golden README, section 4).

That all of it together gives the published numbers is tested beside each network and by the parity benchmark.
"""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from models.fusion import FeatureFusion, ResidualDenseBlock

pytestmark = pytest.mark.usefixtures("without_gradients")


def test_log_variance_is_clamped(vae):
    encoded = vae.encode(1e4 * torch.randn(1, 3, 32, 32))
    vae.quant_conv.bias.add_(torch.tensor([0.0] * 4 + [1e3, -1e3, 0, 0]))
    clamped = vae.encode(torch.rand(1, 3, 32, 32)).logvar
    vae.quant_conv.bias.sub_(torch.tensor([0.0] * 4 + [1e3, -1e3, 0, 0]))
    assert encoded.logvar.abs().max() <= 30
    assert clamped[:, 0].unique().tolist() == [20.0] and clamped[:, 1].unique().tolist() == [-30.0]


def test_features_are_those_of_level_1_and_2_before_they_are_halved(vae):
    seen = []
    hooks = [
        vae.encoder.levels[level].resnets[-1].register_forward_hook(lambda m, inputs, output: seen.append(output))
        for level in (1, 2)
    ]
    features = vae.encode(torch.rand(1, 3, 32, 48)).features
    for hook in hooks:
        hook.remove()
    assert features[0] is seen[0] and features[1] is seen[1]
    assert [tuple(feature.shape[-2:]) for feature in features[:2]] == [(16, 24), (8, 12)]


def test_fusion_is_at_levels_that_are_neither_the_deepest_nor_the_shallowest(vae):
    levels = [3 - index for index, level in enumerate(vae.decoder.levels) if level.fusion is not None]
    assert levels == [2, 1]


def test_fusion_takes_the_encoders_feature_first_and_adds_w_times_its_result(seeded):
    fusion = FeatureFusion(8, 4, 4)
    decoded, encoded = torch.randn(2, 1, 8, 5, 6)
    seen = []
    hook = fusion.reduce.register_forward_pre_hook(lambda m, inputs: seen.append(inputs[0]))
    one, half = fusion(decoded, encoded, 1.0), fusion(decoded, encoded, 0.5)
    hook.remove()
    assert torch.equal(seen[0], torch.cat((encoded, decoded), dim=1))
    torch.testing.assert_close(half - decoded, 0.5 * (one - decoded), atol=1e-6, rtol=0)
    assert len(fusion.dense) == 2


def test_a_dense_block_adds_a_fifth_of_its_last_convolution(seeded):
    block = ResidualDenseBlock(4, 3)
    x = torch.randn(1, 4, 5, 5)
    seen = [x]
    for conv in block.convs[:-1]:
        seen.append(functional.leaky_relu(conv(torch.cat(seen, dim=1)), 0.2))
    expected = x + 0.2 * block.convs[-1](torch.cat(seen, dim=1))
    torch.testing.assert_close(block(x), expected, atol=1e-6, rtol=0)
    assert len(block.convs) == 5


def test_the_decoders_middle_mixes_time_before_its_attention_which_has_one_head(vae):
    order: list[str] = []
    parts = ("resnets.0", "temporal", "attention", "resnets.1")
    middle = vae.decoder.middle
    hooks = [middle.get_submodule(p).register_forward_hook(lambda m, i, o, p=p: order.append(p)) for p in parts]
    vae.decode(torch.randn(5, 4, 2, 2), fusion_weight=0.0)
    for hook in hooks:
        hook.remove()
    assert tuple(order) == parts and middle.attention.heads == 1
    assert vae.encoder.middle.temporal is None


def test_every_block_of_the_decoder_is_followed_by_a_temporal_layer(vae):
    for level in vae.decoder.levels:
        assert len(level.temporal) == len(level.resnets) == 2


def test_decoded_frames_are_not_squashed(vae):
    assert vae.decode(30 * torch.randn(5, 4, 4, 4), fusion_weight=0.0).abs().max() > 1


def test_the_network_never_scales_latents_itself(vae):
    images = torch.rand(1, 3, 32, 32)
    encoded = vae.encode(images)
    scaling, z = vae.config.scaling_factor, torch.randn(5, 4, 4, 4)
    decoded = vae.decode(z, fusion_weight=0.0)
    vae.register_to_config(scaling_factor=7.0)
    assert torch.equal(vae.encode(images).mean, encoded.mean)
    assert torch.equal(vae.decode(z, fusion_weight=0.0), decoded)
    vae.register_to_config(scaling_factor=scaling)
