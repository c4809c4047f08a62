"""What is particular about the published networks, each by itself (golden README, sections 1 to 5).

That all of it together gives the published numbers is tested beside each network and by the parity benchmark.
"""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from diffusers.models.attention import FeedForward
from diffusers.models.attention_processor import Attention
from diffusers.models.transformers.transformer_2d import Transformer2DModel
from torch import nn
from torch.nn import functional

from models.checkpoint import structure_encoder as structure_checkpoint
from models.checkpoint import unet as unet_checkpoint
from models.checkpoint import vae as vae_checkpoint
from models.configurations import FULL
from models.fusion import FeatureFusion, ResidualDenseBlock
from models.raft import RAFT
from models.spade import Spade
from models.structure_encoder import StructureEncoder
from models.temporal import SpatialTemporalConv, TemporalAttention
from models.unet import DenoisingUNet
from models.vae import TemporalVAE

pytestmark = pytest.mark.usefixtures("without_gradients")


@pytest.fixture
def without_gradients():
    with torch.no_grad():
        yield


@pytest.fixture(scope="module")
def encoder(golden) -> StructureEncoder:
    vectors = golden("structcond_encoder")
    network = StructureEncoder(**structure_checkpoint.from_official_config(vectors.facts["config"]))
    return structure_checkpoint.load(network, vectors.weights).eval()


@pytest.fixture(scope="module")
def unet(golden) -> DenoisingUNet:
    vectors = golden("unet")
    network = DenoisingUNet(**unet_checkpoint.from_official_config(vectors.facts["config"]))
    return unet_checkpoint.load(network, vectors.weights).eval()


@pytest.fixture(scope="module")
def vae(golden) -> TemporalVAE:
    vectors = golden("vae")
    network = TemporalVAE(**vae_checkpoint.from_official_config(vectors.facts["config"]))
    return vae_checkpoint.load(network, vectors.weights).eval()


def epsilons(network: nn.Module, kind: type, without: tuple[type, ...] = ()) -> Counter[float]:
    """How often norms of a kind have which eps, those within modules of some other kinds left out."""
    inside = {id(m) for part in network.modules() if isinstance(part, without) for m in part.modules()}
    return Counter(m.eps for m in network.modules() if isinstance(m, kind) and id(m) not in inside)


# Section 1: the temporal modules.


@pytest.mark.parametrize("alpha", [-1.0, 0.3, 2.5])
def test_temporal_alpha_is_used_raw_neither_squashed_nor_clamped(seeded, alpha):
    conv, attention = SpatialTemporalConv(4), TemporalAttention(4, 2, 2)
    for layer in (conv, attention):
        layer.temporal_alpha.fill_(alpha)
    conv.temporal_conv.weight.normal_()
    x = torch.randn(5, 4, 3, 2)
    mixed = conv.temporal_conv(x[None].transpose(1, 2))[0].transpose(0, 1)
    torch.testing.assert_close(conv(x, 5), alpha * mixed + (1 - alpha) * x, atol=1e-5, rtol=1e-5)
    places = x.permute(2, 3, 0, 1).flatten(0, 1)
    attended = attention.temporal_attn(attention.norm(places)).view(3, 2, 5, 4).permute(2, 3, 0, 1)
    torch.testing.assert_close(attention(x, 5), alpha * attended + (1 - alpha) * x, atol=1e-5, rtol=1e-5)


def test_time_is_padded_with_zeros_at_the_ends_of_a_window():
    layer = SpatialTemporalConv(1)
    layer.temporal_alpha.fill_(1.0)
    layer.temporal_conv.weight.fill_(1.0)
    assert layer(torch.ones(10, 1, 1, 1), 5).flatten().tolist() == [2, 3, 3, 3, 2, 2, 3, 3, 3, 2]


def test_temporal_attention_does_not_see_the_order_of_frames(seeded):
    layer = TemporalAttention(8, 2, 4)
    layer.temporal_alpha.fill_(0.6)
    x, order = torch.randn(5, 8, 2, 3), [3, 0, 4, 1, 2]
    torch.testing.assert_close(layer(x[order], 5), layer(x, 5)[order], atol=1e-5, rtol=1e-5)


def test_temporal_attention_has_no_residual_of_its_own(seeded):
    layer = TemporalAttention(8, 2, 4)
    layer.temporal_alpha.fill_(1.0)
    for parameter in layer.temporal_attn.to_out[0].parameters():
        parameter.zero_()
    assert not layer(torch.randn(5, 8, 2, 3), 5).any()
    assert [p is None for p in (layer.temporal_attn.to_q.bias, layer.temporal_attn.to_out[0].bias)] == [True, False]


# Sections 2 and 3: structure encoder and UNet.


def test_the_time_embedding_has_cosines_first(unet):
    count = unet.time_embedding.channels // 4
    waves = unet.time_embedding.waves(torch.tensor([500]))
    frequencies = torch.exp(-torch.log(torch.tensor(10000.0)) * torch.arange(count // 2) / (count // 2))
    expected = torch.cat((torch.cos(500 * frequencies), torch.sin(500 * frequencies)))
    torch.testing.assert_close(waves[0], expected, atol=1e-4, rtol=0)


def test_the_structure_encoder_has_no_temporal_layers(encoder, golden):
    assert not any(isinstance(m, SpatialTemporalConv | TemporalAttention) for m in encoder.modules())
    x, t = golden("structcond_encoder").inputs["x"], torch.tensor([333])
    together, alone = encoder(x, t), encoder(x[2:3], t)
    for width, feature in alone.items():
        torch.testing.assert_close(together[width][2:3], feature, atol=1e-4, rtol=0)


def test_the_structure_encoder_has_4_heads_at_every_width():
    with torch.device("meta"):
        network = StructureEncoder(**FULL.structure_encoder)
    found = {(m.to_q.in_features, m.heads) for m in network.modules() if isinstance(m, Attention)}
    assert found == {(256, 4), (512, 4)}


def test_structure_features_are_what_enters_each_halving_and_what_leaves_the_middle(encoder, golden):
    entered = []
    hooks = [
        module.register_forward_hook(lambda m, inputs, output: entered.append(inputs[0])) for module in encoder.outputs
    ]
    halved = []
    downsampler = encoder.levels[0].downsampler
    hooks.append(downsampler.register_forward_hook(lambda m, inputs, output: halved.append(inputs[0])))
    middle = []
    hooks.append(encoder.middle_resnets[1].register_forward_hook(lambda m, inputs, output: middle.append(output)))
    encoder(golden("structcond_encoder").inputs["x"], torch.tensor([5]))
    for hook in hooks:
        hook.remove()
    assert len(entered) == 2 and entered[0] is halved[0] and entered[1] is middle[0]


def test_halvings_of_unet_and_structure_encoder_pad_all_sides_those_of_the_vae_right_and_bottom_alone(
    unet, encoder, vae
):
    for downsampler in (unet.down_levels[0].downsampler, encoder.levels[0].downsampler):
        x = torch.randn(1, downsampler.channels, 6, 8)
        expected = functional.conv2d(x, downsampler.conv.weight, downsampler.conv.bias, stride=2, padding=1)
        torch.testing.assert_close(downsampler(x), expected, atol=1e-5, rtol=1e-5)
    downsampler = vae.encoder.levels[0].downsampler
    x = torch.randn(1, downsampler.channels, 6, 8)
    padded = functional.pad(x, (0, 1, 0, 1))
    expected = functional.conv2d(padded, downsampler.conv.weight, downsampler.conv.bias, stride=2)
    torch.testing.assert_close(downsampler(x), expected, atol=1e-5, rtol=1e-5)


def test_epsilons_of_norms(unet, encoder, vae):
    assert set(epsilons(unet, nn.GroupNorm, (Transformer2DModel,))) == {1e-5}
    assert {m.norm.eps for m in unet.modules() if isinstance(m, Transformer2DModel)} == {1e-6}
    assert set(epsilons(unet, nn.LayerNorm)) == {1e-5}
    assert set(epsilons(encoder, nn.GroupNorm)) == {1e-5}
    assert set(epsilons(vae, nn.GroupNorm)) == {1e-6}


def test_the_temporal_layers_of_the_unet_are_in_its_middle_alone_in_their_order(unet, golden):
    names = [name for name, m in unet.named_modules() if isinstance(m, SpatialTemporalConv | TemporalAttention)]
    assert names and all(name.startswith("middle.") for name in names)
    order: list[str] = []
    parts = ("resnets.0", "temporal_convs.0", "transformer", "temporal_attention", "resnets.1", "temporal_convs.1")
    hooks = [
        unet.middle.get_submodule(part).register_forward_hook(lambda m, i, o, part=part: order.append(part))
        for part in parts
    ]
    x = torch.randn(5, 4, 4, 4)
    unet(x, torch.tensor([3]), torch.randn(1, 7, 64), {width: torch.randn(5, 64, width, width) for width in (4, 2)})
    for hook in hooks:
        hook.remove()
    assert tuple(order) == parts


def test_the_middle_of_the_unet_always_has_a_transformer():
    small = {"block_out_channels": (8, 8), "head_channels": 4, "cross_attention_dim": 6, "structure_channels": 4}
    network = DenoisingUNet(**small, attention_resolutions=(), layers_per_block=1, norm_groups=4)
    assert [name for name, m in network.named_modules() if isinstance(m, Transformer2DModel)] == ["middle.transformer"]


def test_every_prompt_serves_consecutive_frames(unet):
    x, t = torch.randn(10, 4, 4, 4), torch.tensor([10])
    structure = {width: torch.randn(10, 64, width, width) for width in (4, 2)}
    prompts = torch.randn(2, 7, 64)
    both = unet(x, t, prompts, structure)
    for window in (slice(0, 5), slice(5, 10)):
        features = {width: feature[window] for width, feature in structure.items()}
        alone = unet(x[window], t, prompts[window.start // 5 :][:1], features)
        torch.testing.assert_close(both[window], alone, atol=1e-4, rtol=0)


def test_one_timestep_for_all_is_the_same_as_that_timestep_for_each(unet):
    x, prompt = torch.randn(5, 4, 4, 4), torch.randn(1, 7, 64)
    structure = {width: torch.randn(5, 64, width, width) for width in (4, 2)}
    one, each = (unet(x, torch.full((n,), 40), prompt, structure) for n in (1, 5))
    torch.testing.assert_close(one, each, atol=1e-5, rtol=0)


def test_spade_acts_on_the_branch_before_the_skip_is_added_and_its_norm_has_a_scale_of_its_own(unet):
    block = unet.down_levels[0].resnets[0]
    assert isinstance(block.spade, Spade) and block.spade.norm.affine and block.spade.shared.out_channels == 128
    for conv in (block.spade.gamma, block.spade.beta):
        assert conv.in_channels == 128
    x, time = torch.randn(2, 64, 4, 4), torch.randn(1, 256)
    branch = []
    hook = block.spade.register_forward_hook(lambda m, inputs, output: branch.append((inputs[0], output)))
    result = block(x, time, {4: torch.randn(2, 64, 4, 4)})
    hook.remove()
    modulated, output = branch[0]
    torch.testing.assert_close(result - x, output, atol=1e-5, rtol=0)
    conv2 = block.conv2(functional.silu(block.norm2(block.conv1(functional.silu(block.norm1(x)))
        + block.time_emb_proj(functional.silu(time))[:, :, None, None])))  # fmt: skip
    torch.testing.assert_close(modulated, conv2, atol=1e-5, rtol=0)


def test_the_structure_is_chosen_by_width(unet):
    block = unet.down_levels[0].resnets[0]
    x, time, fitting = torch.randn(1, 64, 3, 6), torch.randn(1, 256), torch.randn(1, 64, 3, 6)
    chosen = block(x, time, {3: torch.randn(1, 64, 3, 3), 6: fitting})
    assert torch.equal(chosen, block(x, time, {6: fitting}))


def test_feed_forward_is_gated_by_exact_gelu_of_the_second_half(unet):
    layer = next(m for m in unet.modules() if isinstance(m, FeedForward))
    x = torch.randn(1, 3, layer.net[0].proj.in_features)
    value, gate = layer.net[0].proj(x).chunk(2, dim=-1)
    assert value.shape[-1] == 4 * x.shape[-1]
    torch.testing.assert_close(layer(x), layer.net[2](value * functional.gelu(gate)), atol=1e-6, rtol=0)


def test_queries_keys_and_values_have_no_bias_in_the_unet_and_one_in_the_other_networks(unet, encoder, vae):
    for network, biased in ((unet, False), (encoder, True), (vae, True)):
        layers = [m for m in network.modules() if isinstance(m, Attention)]
        assert layers and all((m.to_q.bias is not None) == biased and m.to_out[0].bias is not None for m in layers)


# Section 4: the VAE.


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


# Section 5: RAFT.


def test_the_context_is_of_the_first_image_alone_with_batch_norm_and_features_have_instance_norm(seeded):
    raft = RAFT().eval()
    seen = []
    hook = raft.context_encoder.register_forward_pre_hook(lambda m, inputs: seen.append(inputs[0]))
    first, second = torch.rand(2, 1, 3, 128, 128)
    raft(first, second, iterations=1)
    hook.remove()
    assert len(seen) == 1 and torch.equal(seen[0], first)
    assert any(isinstance(m, nn.BatchNorm2d) for m in raft.context_encoder.modules())
    norms = [m for m in raft.feature_encoder.modules() if isinstance(m, nn.InstanceNorm2d)]
    assert norms and not any(norm.affine for norm in norms) and {norm.eps for norm in norms} == {1e-5}


def test_correlations_are_of_4_levels_with_radius_4(seeded):
    raft = RAFT()
    assert raft.motion_encoder.correlation1.in_channels == 4 * 81 == 324
