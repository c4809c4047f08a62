"""Tiles of the autoencoder leave no trace, and take less memory than the whole frame."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from models.exact_tiles import TiledChain
from models.live_tensors import LiveTensors
from models.tile_steps import Layer, NormSiLU, Placed
from models.tiling import Tile
from models.vae import TemporalVAE

SHRUNK = {"block_out_channels": (8, 16, 24, 24), "layers_per_block": 2, "norm_groups": 4, "fusion_growth": 4}
EMBEDDED = {
    "block_out_channels": (8, 16, 24),
    "layers_per_block": 1,
    "norm_groups": 4,
    "fusion_growth": 4,
    "latent_channels": 3,
    "patch_size": 2,
    "image_fusion": True,
    "mid_attention": False,
}
WAYS = {
    "published, narrow": SHRUNK,
    "embedded, narrow": EMBEDDED,
    "one level": {"block_out_channels": (8,), "layers_per_block": 1, "norm_groups": 4},
    "two levels": {"block_out_channels": (12, 8), "layers_per_block": (2, 1), "norm_groups": 4, "image_fusion": True},
    "narrow in the middle": {
        "block_out_channels": (16, 8, 12, 8),
        "layers_per_block": 1,
        "norm_groups": 4,
        "base_channels": 8,
        "z_channels": 6,
        "fusion_growth": 3,
    },
}


def random_vae(**arguments: Any) -> TemporalVAE:
    """Of random weights in all layers, those included that begin as nothing; norms about 1, as trained ones are."""
    torch.manual_seed(1)
    vae = TemporalVAE(**arguments).eval()
    with torch.no_grad():
        for parameter in vae.parameters():
            parameter += 0.3 * torch.randn_like(parameter) * parameter.abs().mean().clamp(min=0.1)
    return vae


NETWORKS = {name: random_vae(**arguments) for name, arguments in WAYS.items()}


def largest(a: torch.Tensor, b: torch.Tensor) -> float:
    assert a.shape == b.shape
    return float((a - b).abs().max())


@torch.no_grad()
@pytest.mark.parametrize("name", WAYS)
@settings(max_examples=12, deadline=None)
@given(
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    tile=st.integers(1, 8),
    weight=st.sampled_from([1.0, 0.4, 0.0]),
    windows=st.sampled_from([(3, 3), (4, 2), (2, 1)]),
    keep=st.sampled_from(["less", "least"]),
)
def test_tiles_leave_no_trace(name, height, width, tile, weight, windows, keep):
    vae, (frames, window) = NETWORKS[name], windows
    images = torch.rand(frames, 3, height * vae.downscale, width * vae.downscale) * 2 - 1
    whole, tiled = vae.encode(images), vae.encode(images, tile, keep)
    expected = (whole.mean, whole.logvar, *whole.features)
    for one, other in zip(expected, (tiled.mean, tiled.logvar, *tiled.features), strict=True):
        assert largest(one, other) < 1e-4
    expected = vae.decode(whole.mean, whole.features, weight, window)
    assert largest(vae.decode(whole.mean, whole.features, weight, window, tile, keep), expected) < 1e-4


@torch.no_grad()
@pytest.mark.parametrize("keep", ["less", "least"])
def test_published_weights_in_tiles_give_the_published_frames(golden, vae, close, keep):
    vectors = golden("vae")
    encoded = vae.encode(vectors.inputs["image"], 3, keep)
    close(torch.cat((encoded.mean, encoded.logvar), dim=1), vectors.outputs["moments"])
    close(encoded.features[1], vectors.outputs["enc_fea_1"])
    close(
        vae.decode(vectors.inputs["z"], encoded.features, 1.0, tile=3, keep=keep), vectors.outputs["decoded_w1.0"], 2e-4
    )


@torch.no_grad()
def test_without_the_statistics_of_the_whole_frame_tiles_would_show():
    vae = NETWORKS["published, narrow"]
    latents = torch.randn(5, 4, 6, 12)
    left = vae.decode(latents[..., :6], fusion_weight=0.0)
    assert largest(left[..., :16], vae.decode(latents, fusion_weight=0.0)[..., :16]) > 1e-2


def live(function: Callable[..., object], *arguments: object) -> LiveTensors:
    with torch.no_grad(), LiveTensors() as memory:
        function(*arguments)
    return memory


@pytest.mark.parametrize("name", ["published, narrow", "embedded, narrow"])
def test_tiles_take_less_memory(name):
    vae = NETWORKS[name]
    images = torch.rand(2, 3, 12 * vae.downscale, 12 * vae.downscale)
    with torch.no_grad():
        encoded = vae.encode(images)
    ways = ((None, "less"), (4, "less"), (4, "least"))
    whole, less, least = (live(vae.decode, encoded.mean, encoded.features, 1.0, 2, *way) for way in ways)
    assert less.largest <= 0.51 * whole.largest
    assert least.largest <= max(0.3 * whole.largest, images.nbytes)
    assert less.peak < 0.7 * whole.peak and least.peak <= less.peak
    whole, less, least = (live(vae.encode, images, *way) for way in ways)
    assert less.peak < 0.75 * whole.peak and least.peak <= less.peak


def test_memory_at_full_width_grows_with_the_tile_not_with_the_frame():
    vae, widest = NETWORKS["published, narrow"], []
    for side in (6, 15):
        memory = live(vae.decode, torch.randn(1, 4, side, side), (), 0.0, 1, 3, "least")
        widest.append(memory.largest / (4 * (8 * side) ** 2))
    # In channels of a frame: 16 would be the whole decoder's largest; the largest kept has 16 at half the size.
    assert widest[0] <= 16 and widest[1] <= 16 / 4


@torch.no_grad()
def test_a_canvas_no_larger_than_a_tile_is_computed_at_once():
    vae = NETWORKS["published, narrow"]
    latents = torch.randn(5, 4, 4, 6)
    at_once = vae.decode(latents, fusion_weight=0.0)
    assert torch.equal(vae.decode(latents, fusion_weight=0.0, tile=6), at_once)


@torch.no_grad()
def test_half_precision_stays_what_it_is():
    vae = random_vae(**SHRUNK).to(torch.bfloat16)
    latents = torch.randn(5, 4, 5, 6).to(torch.bfloat16)
    whole, tiled = (vae.decode(latents, fusion_weight=0.0, tile=tile) for tile in (None, 3))
    exact = vae.float().decode(latents.float(), fusion_weight=0.0)
    assert tiled.dtype == torch.bfloat16
    assert (tiled - exact).abs().mean() < 1.2 * (whole - exact).abs().mean()


@torch.no_grad()
def test_statistics_of_a_small_deviation_about_a_large_mean():
    norm = nn.GroupNorm(2, 4, eps=1e-6)
    x = 1000 + 0.1 * torch.randn(1, 4, 8, 8)
    steps = NormSiLU(norm)
    for tile in (Tile(0, 0, 8, 3), Tile(0, 3, 5, 8), Tile(5, 3, 8, 8)):
        steps.add(tile.crop(x))
    mean, deviation = steps._mean, (steps._deviations / steps._count).sqrt()
    groups = x.double().view(1, 2, -1)
    torch.testing.assert_close(mean, groups.mean(-1), atol=1e-4, rtol=0)
    torch.testing.assert_close(deviation, groups.std(-1, correction=0), atol=0, rtol=1e-4)


def test_a_norm_that_was_not_measured_says_so():
    with pytest.raises(RuntimeError, match="before it has been measured"):
        NormSiLU(nn.GroupNorm(1, 2))(Placed(torch.zeros(1, 2, 3, 3), Tile(0, 0, 3, 3)))


@torch.no_grad()
def test_inputs_are_not_written_to():
    vae = NETWORKS["embedded, narrow"]
    images = torch.rand(3, 3, 5 * vae.downscale, 4 * vae.downscale)
    encoded = vae.encode(images, 2)
    given = [images, encoded.mean, *encoded.features]
    before = [x.clone() for x in given]
    vae.decode(encoded.mean, encoded.features, 1.0, 3, 2)
    vae.encode(images, 2)
    assert all(torch.equal(x, y) for x, y in zip(given, before, strict=True))


@torch.no_grad()
def test_a_chain_of_no_steps_gives_back_its_input():
    x = torch.rand(1, 2, 5, 5)
    assert TiledChain([], 2, 0)(x) is x
    assert torch.equal(TiledChain([Layer(torch.neg)], 2, 0)(x), -x)
