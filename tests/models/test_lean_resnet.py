from __future__ import annotations

import pytest
import torch
from diffusers.models.resnet import ResnetBlock2D

from models.lean_resnet import LeanResnetBlock
from models.residual import ResidualBlock
from models.spade import Spade, StructuredResnetBlock


@pytest.mark.parametrize(("outputs", "time_channels"), [(8, 6), (12, None)])
@pytest.mark.parametrize("gradients", [False, True])
def test_it_is_the_block_of_diffusers(outputs: int, time_channels: int | None, gradients: bool) -> None:
    torch.manual_seed(0)
    block = LeanResnetBlock(in_channels=8, out_channels=outputs, temb_channels=time_channels, groups=4, eps=1e-6)
    x, time = torch.randn(3, 8, 6, 5), None if time_channels is None else torch.randn(1, time_channels)
    given = x.clone()
    with torch.set_grad_enabled(gradients):
        expected, found = ResnetBlock2D.forward(block, x, time), block(x, time)
    assert torch.allclose(found, expected, atol=1e-6) and torch.equal(x, given)
    assert found.requires_grad == gradients


def test_what_is_written_over_is_nothing_that_was_given() -> None:
    torch.manual_seed(0)
    residual, spade = ResidualBlock(8), Spade(8, 4, 4, 2)
    structured = StructuredResnetBlock(8, 8, 6, 4, 4, 2)
    for parameter in (*spade.parameters(), *structured.parameters()):
        torch.nn.init.normal_(parameter)
    x, structure, time = torch.randn(2, 8, 5, 5), torch.randn(2, 4, 5, 5), torch.randn(1, 6)
    given = [each.clone() for each in (x, structure, time)]
    recorded = [residual(x), spade(x, structure), structured(x, time, {5: structure})]
    with torch.inference_mode():
        plain = [residual(x), spade(x, structure), structured(x, time, {5: structure})]
    assert all(torch.allclose(one, other, atol=1e-5) for one, other in zip(recorded, plain, strict=True))
    assert all(torch.equal(one, other) for one, other in zip((x, structure, time), given, strict=True))
