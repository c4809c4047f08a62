"""Convolutions in fewer multiplications: what they give, and when they are taken."""

from __future__ import annotations

import copy
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from models import winograd
from models.basicvsr import BasicVSR
from models.configurations import EMBEDDED
from models.winograd import WinogradConv2d, available, use_winograd

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(not available(), reason="needs AVX2 or AVX-512, and a torch that carries NNPACK")


def layer(inputs: int = 64, outputs: int = 64, bias: bool = True, kernel: int = 3) -> nn.Conv2d:
    """With random weights, on the fast way."""
    torch.manual_seed(0)
    conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=bias).requires_grad_(False)
    use_winograd([conv])
    return conv


def direct(conv: nn.Conv2d, x: Tensor) -> Tensor:
    return functional.conv2d(
        x.double(), conv.weight.double(), None if conv.bias is None else conv.bias.double(), padding=conv.padding
    )


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """The shapes that NNPACK is given from now on."""
    noted: list[tuple[int, ...]] = []
    convolve = winograd._nnpack

    def note(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        noted.append(tuple(x.shape))
        return convolve(x, weight, bias)

    monkeypatch.setattr(winograd, "_nnpack", note)
    return noted


@pytest.mark.parametrize(
    ("shape", "outputs", "taken"),
    [
        ((5, 64, 16, 16), 64, [(5, 64, 16, 16)]),  # small ones together
        ((2, 32, 47, 65), 64, [(1, 32, 47, 65)] * 2),  # one by one, Fourier, odd sides
        ((1, 67, 72, 36), 256, [(1, 67, 72, 36)]),
        ((1, 64, 1025, 1), 64, []),  # little of a tile is filled
        ((20, 64, 8, 8), 64, [(1, 64, 18, 90)]),  # laid side by side, two rows of ten
        ((7, 64, 8, 20), 32, [(1, 64, 63, 21)]),  # one column
        ((20, 128, 16, 16), 64, [(1, 128, 17, 340)]),  # for the cache's sake
        ((5, 64, 8, 8), 64, []),  # too few to fill tiles
        ((20, 64, 4, 4), 64, []),
        ((20, 64, 1030, 2), 32, []),  # one at a time, and so little of a tile filled
        ((1, 64, 12, 12), 64, []),  # transforming the weights would cost more
        ((1, 64, 1, 1), 64, []),
    ],
)
def test_the_sum_is_the_direct_one(
    calls: list[tuple[int, ...]], shape: tuple[int, ...], outputs: int, taken: list[tuple[int, ...]]
) -> None:
    conv, x = layer(shape[1], outputs), torch.randn(shape)
    found, expected = conv(x), direct(conv, x)
    assert calls == taken and found.shape == expected.shape and found.is_contiguous()
    assert float((found - expected).norm() / expected.norm()) < 1e-5


def test_any_layout_and_no_bias_will_do(calls: list[tuple[int, ...]]) -> None:
    conv = layer(bias=False)
    pictures = torch.randn(2, 64, 50, 60)
    expected = conv(pictures)
    assert torch.equal(conv(pictures.contiguous(memory_format=torch.channels_last)), expected)
    assert torch.equal(conv(torch.cat((pictures, pictures), 3)[..., :60]), expected)
    assert torch.equal(conv(pictures[1:]), expected[1:])  # a frame gives the same alone and in a batch
    assert len(calls) == 7 and float((expected - direct(conv, pictures)).norm() / expected.norm()) < 1e-5


@pytest.mark.parametrize(("inputs", "outputs"), [(8, 32), (64, 32), (16, 2)])
def test_kernels_of_7x7_whatever_the_channels(
    calls: list[tuple[int, ...]], monkeypatch: pytest.MonkeyPatch, inputs: int, outputs: int
) -> None:
    conv, x = layer(inputs, outputs, kernel=7), torch.randn(1, inputs, 40, 70)
    expected = direct(conv, x)
    assert float((conv(x) - expected).norm() / expected.norm()) < 1e-5 and len(calls) == 1
    monkeypatch.setattr(winograd, "LARGEST", (inputs + outputs) * 70 * 15)
    assert float((conv(x) - expected).norm() / expected.norm()) < 1e-5
    assert [shape[2] for shape in calls[1:]] == [18, 21, 13]


def test_large_pictures_are_cut_into_strips(calls: list[tuple[int, ...]], monkeypatch: pytest.MonkeyPatch) -> None:
    conv, x = layer(), torch.randn(2, 64, 50, 60)
    monkeypatch.setattr(winograd, "LARGEST", 128 * 60 * 20)
    assert float((conv(x) - direct(conv, x)).norm() / direct(conv, x).norm()) < 1e-5
    assert [shape[2] for shape in calls] == [21, 22, 11] * 2


def test_what_it_cannot_do_is_done_as_before(calls: list[tuple[int, ...]]) -> None:
    conv, x = layer(), torch.randn(1, 64, 48, 48)
    assert conv.double()(x.double()).dtype == torch.float64
    assert layer().bfloat16()(x.bfloat16()).dtype == torch.bfloat16
    assert calls == []
    with torch.inference_mode():
        layer().requires_grad_()(x)
    assert len(calls) == 1


@pytest.mark.parametrize("shape", [(5, 64, 48, 48), (20, 64, 8, 8)])
def test_a_compiled_layer_takes_it_as_one_operation(calls: list[tuple[int, ...]], shape: tuple[int, ...]) -> None:
    conv, x = layer(), torch.randn(shape)
    captured: list[torch.fx.GraphModule] = []

    def capture(graph: torch.fx.GraphModule, _: object) -> torch.fx.GraphModule:
        captured.append(graph)
        return graph

    with torch.inference_mode():
        expected, plain = conv(x), len(calls)
        found = torch.compile(conv, fullgraph=True, backend=capture)(x)
    (graph,) = captured
    called = [node for node in graph.graph.nodes if node.op == "call_function"]
    assert len(called) == 1 and "fast_convolution" in str(called[0].target)
    assert torch.equal(found, expected) and len(calls) == 2 * plain


def test_pictures_side_by_side_do_not_see_each_other(calls: list[tuple[int, ...]]) -> None:
    conv, x = layer(), torch.zeros(20, 64, 8, 8)
    x[7] = 1000.0
    found = conv(x) - direct(conv, torch.zeros_like(x))
    assert len(calls) == 1
    assert float(torch.cat((found[:7], found[8:])).abs().max()) < 1e-5 * float(found[7].abs().max())


@pytest.mark.parametrize("watched", ["input", "weights", "both"])
@pytest.mark.parametrize("bias", [True, False])
def test_gradients_are_those_of_the_direct_sum(calls: list[tuple[int, ...]], watched: str, bias: bool) -> None:
    conv, x, weights = layer(64, 96, bias), torch.randn(2, 64, 24, 30), torch.randn(2, 96, 24, 30)
    conv.requires_grad_(watched != "input")
    x.requires_grad_(watched != "weights")
    exact = copy.deepcopy(conv).double()
    exact.__class__ = nn.Conv2d
    twin = x.detach().double().requires_grad_(x.requires_grad)
    (conv(x) * weights).sum().backward()
    (exact(twin) * weights.double()).sum().backward()
    assert len(calls) == (1 if watched == "weights" else 2)
    for found, expected in zip((x, *conv.parameters()), (twin, *exact.parameters()), strict=True):
        assert (found.grad is None) == (expected.grad is None)
        if found.grad is not None and expected.grad is not None:
            assert float((found.grad - expected.grad).norm() / expected.grad.norm()) < 1e-5


def test_what_is_too_large_to_record_is_done_as_before(
    calls: list[tuple[int, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(winograd, "LARGEST", 2 * 128 * 24 * 24 - 1)
    layer()(torch.randn(2, 64, 24, 24, requires_grad=True)).sum().backward()
    assert calls == []


def test_layers_that_do_not_fit_stay_what_they_are() -> None:
    others = nn.ModuleList(
        [
            nn.Conv2d(64, 64, 1),
            nn.Conv2d(64, 64, 3),
            nn.Conv2d(64, 64, 3, 2, 1),
            nn.Conv2d(64, 64, 3, padding=1, groups=2),
            nn.Conv2d(64, 64, 3, padding=1, padding_mode="reflect"),
            nn.Conv2d(64, 3, 3, padding=1),
            nn.Conv2d(24, 24, 3, padding=1),
        ]
    )
    use_winograd([others])
    assert not [module for module in others if isinstance(module, WinogradConv2d)]


def test_networks_give_the_same_within_rounding_and_can_go_back() -> None:
    torch.manual_seed(0)
    network = BasicVSR(num_blocks=2, num_levels=2).eval()
    unet, structure_encoder, vae = EMBEDDED.build()
    frames = torch.rand(3, 3, 40, 56)
    with torch.inference_mode():
        expected = network(frames)
        keys = list(network.state_dict())
        use_winograd([network, unet, structure_encoder, vae])
        swapped = [
            sum(isinstance(module, WinogradConv2d) for module in each.modules())
            for each in (network, unet, vae.decoder)
        ]
        found = network(frames)
        assert torch.equal(found, network(frames)) and list(network.state_dict()) == keys
        use_winograd([network], on=False)
        assert torch.equal(network(frames), expected)
    # In each branch 5; two that enlarge, one after them; 5 of each level of the flow network.
    assert swapped[0] == 2 * 5 + 3 + 2 * 5 and min(swapped) > 0
    assert 0 < float((found - expected).norm() / expected.norm()) < 1e-5


DIGEST = """
import hashlib, sys, torch
from models.winograd import use_winograd
torch.set_num_threads(int(sys.argv[1]))
torch.manual_seed(1)
conv = torch.nn.Conv2d(64, 64, 3, padding=1).requires_grad_(False)
use_winograd([conv])
pictures = [torch.randn(shape) for shape in ((5, 64, 16, 16), (1, 64, 72, 72), (1, 64, 50, 90))]
print(hashlib.sha256(b"".join(conv(picture).numpy().tobytes() for picture in pictures)).hexdigest())
"""


def test_two_threads_give_the_bytes_of_one() -> None:
    """In processes of their own: threads are made at the first call."""
    commands = [[sys.executable, "-c", DIGEST, threads] for threads in "12"]
    one, two = (subprocess.run(each, capture_output=True, text=True, check=True, cwd=ROOT).stdout for each in commands)
    assert len(one) == 65 and one == two
