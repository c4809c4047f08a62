"""What is particular about the published UNet and structure encoder (golden README, sections 2 and 3).

That all of it together gives the published numbers is tested beside each network and by the parity benchmark.
"""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from diffusers.models.attention import FeedForward
from diffusers.models.attention_processor import Attention
from torch import nn
from torch.nn import functional

from models.attention import SpatialTransformer
from models.configurations import FULL
from models.spade import Spade
from models.structure_encoder import StructureEncoder
from models.temporal import SpatialTemporalConv, TemporalAttention
from models.unet import DenoisingUNet

pytestmark = pytest.mark.usefixtures("without_gradients")


def epsilons(network: nn.Module, kind: type, without: tuple[type, ...] = ()) -> Counter[float]:
    """How often norms of a kind have which eps, those within modules of some other kinds left out."""
    inside = {id(m) for part in network.modules() if isinstance(part, without) for m in part.modules()}
    return Counter(m.eps for m in network.modules() if isinstance(m, kind) and id(m) not in inside)


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
    assert set(epsilons(unet, nn.GroupNorm, (SpatialTransformer,))) == {1e-5}
    assert {m.norm.eps for m in unet.modules() if isinstance(m, SpatialTransformer)} == {1e-6}
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
    assert [name for name, m in network.named_modules() if isinstance(m, SpatialTransformer)] == ["middle.transformer"]


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
