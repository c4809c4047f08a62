"""What is particular about the published temporal layers, each thing by itself (golden README, section 1).

That all of it together gives the published numbers is tested beside each network and by the parity benchmark.
"""

from __future__ import annotations

import pytest
import torch

from models.temporal import SpatialTemporalConv, TemporalAttention

pytestmark = pytest.mark.usefixtures("without_gradients")


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
