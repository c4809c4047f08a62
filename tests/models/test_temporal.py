from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.temporal import SpatialTemporalConv, TemporalAttention


@pytest.mark.parametrize("name", ["spatial_temporal_conv", "temporal_attention"])
@torch.no_grad()
def test_temporal_layers_match_the_published_ones(golden, close, name):
    vectors = golden(name)
    config = vectors.facts["config"]
    if name == "spatial_temporal_conv":
        layer = SpatialTemporalConv(config["num_feat"])
    else:
        layer = TemporalAttention(config["num_feat"], config["num_heads"], config["dim_head"])
    layer.load_state_dict(dict(vectors.weights))
    for frames in ("5", "10"):
        close(layer(vectors.inputs[f"x{frames}"], config["num_frames"]), vectors.outputs[f"y{frames}"])


@pytest.mark.parametrize("layer", [SpatialTemporalConv(8), TemporalAttention(8, 2, 4)])
def test_a_new_layer_changes_nothing_but_can_learn(layer, seeded):
    x = torch.randn(6, 8, 2, 3)
    y = layer(x, 3)
    assert torch.equal(y, x)
    y.square().sum().backward()
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in layer.parameters())


@given(windows=st.integers(1, 3), num_frames=st.integers(1, 5), attend=st.booleans())
@settings(max_examples=15, deadline=None)
def test_windows_do_not_see_each_other(windows, num_frames, attend):
    torch.manual_seed(0)
    layer = TemporalAttention(4, 2, 2) if attend else SpatialTemporalConv(4)
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    x = torch.randn(windows * num_frames, 4, 2, 3)
    apart = torch.cat([layer(window, num_frames) for window in x.split(num_frames)])
    torch.testing.assert_close(layer(x, num_frames), apart, atol=1e-5, rtol=1e-5)


def test_frames_that_are_no_whole_windows_are_refused():
    with pytest.raises(ValueError, match="7 frames are not whole windows of 5"):
        SpatialTemporalConv(4)(torch.zeros(7, 4, 2, 2), 5)
