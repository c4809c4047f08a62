"""Convolutions that end in few channels, as a product and shifted sums."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from models import narrow_convolution
from models.narrow_convolution import NarrowConv2d, is_narrow
from models.winograd import available, use_winograd

needs_the_fast_way = pytest.mark.skipif(not available(), reason="not a processor for which it is known to pay")


def narrow(inputs: int = 16, outputs: int = 3, bias: bool = True) -> nn.Conv2d:
    torch.manual_seed(0)
    return nn.Conv2d(inputs, outputs, 3, padding=1, bias=bias).requires_grad_(False)


def quick(conv: nn.Conv2d, x: Tensor) -> Tensor:
    with pytest.MonkeyPatch.context() as patch, torch.inference_mode():
        patch.setattr(narrow_convolution, "LEAST_PIXELS", 1)
        conv.__class__ = NarrowConv2d
        try:
            return conv(x)
        finally:
            conv.__class__ = nn.Conv2d


@settings(max_examples=40, deadline=None)
@given(
    sizes=st.tuples(st.integers(1, 3), st.integers(1, 12), st.integers(1, 12)),
    outputs=st.integers(1, 4),
    bias=st.booleans(),
    strip=st.integers(1, 5),
)
def test_it_is_the_convolution(sizes: tuple[int, int, int], outputs: int, bias: bool, strip: int) -> None:
    count, height, width = sizes
    conv, x = narrow(16, outputs, bias), torch.randn(count, 16, height, width)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(narrow_convolution, "LARGEST", strip * 9 * outputs * width)
        found = quick(conv, x)
    torch.testing.assert_close(found, conv(x), atol=1e-5, rtol=1e-5)


def test_other_layouts_and_other_numbers_of_threads_give_the_same() -> None:
    conv, x = narrow(), torch.randn(2, 16, 700, 64)
    found = quick(conv, x)
    assert torch.equal(quick(conv, x.contiguous(memory_format=torch.channels_last)), found)
    torch.set_num_threads(2)
    assert torch.equal(quick(conv, x), found)


@needs_the_fast_way
def test_large_pictures_alone_are_left_to_it_and_none_with_gradients() -> None:
    network = nn.Sequential(narrow(), nn.Conv2d(3, 3, 3, padding=1))
    use_winograd([network])
    assert [type(each) for each in network] == [NarrowConv2d, nn.Conv2d]
    large, small = torch.randn(1, 16, 64, 64), torch.randn(1, 16, 32, 32)
    direct = nn.functional.conv2d
    taken = {size: _calls_of_a_product(network[0], x) for size, x in (("large", large), ("small", small))}
    assert taken == {"large": 1, "small": 0}
    x = large.clone().requires_grad_()
    network[0](x).sum().backward()
    expected = torch.autograd.grad(direct(x, network[0].weight, network[0].bias, padding=1).sum(), x)[0]
    assert x.grad is not None and torch.equal(x.grad, expected)
    use_winograd([network], on=False)
    assert type(network[0]) is nn.Conv2d


def _calls_of_a_product(conv: nn.Module, x: Tensor) -> int:
    with torch.inference_mode(), torch.profiler.profile() as profiler:
        conv(x)
    return sum(event.count for event in profiler.key_averages() if event.key == "aten::mm")


@pytest.mark.parametrize(
    "other",
    [
        nn.Conv2d(8, 3, 3, padding=1),
        nn.Conv2d(16, 5, 3, padding=1),
        nn.Conv2d(16, 3, 3),
        nn.Conv2d(16, 3, 1),
        nn.Conv2d(16, 4, 3, padding=1, groups=2),
        nn.Conv2d(16, 3, 3, padding=1, stride=2),
        nn.Conv2d(16, 3, 3, padding=1, padding_mode="reflect"),
    ],
)
def test_others_are_none_of_it(other: nn.Conv2d) -> None:
    assert not is_narrow(other) and is_narrow(narrow())
