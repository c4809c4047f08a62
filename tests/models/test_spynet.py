from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.nn import functional

from models.spynet import SPyNet

EMBEDDED = Path(__file__).parents[2] / "models/embedded/flow"


@pytest.fixture(scope="module")
def network() -> SPyNet:
    return SPyNet.from_pretrained(EMBEDDED).eval()


@pytest.mark.parametrize("size", [(96, 128), (90, 117)])
@pytest.mark.parametrize("motion", [(2.0, -1.0), (-4.0, 3.0)])
def test_known_motion_is_found_in_pixels_of_the_input(
    network: SPyNet, size: tuple[int, int], motion: tuple[float, float]
) -> None:
    noise = torch.rand(1, 3, 40, 48, generator=torch.Generator().manual_seed(3))
    texture = functional.interpolate(noise, size=(size[0] + 16, size[1] + 16), mode="bicubic").clamp(0, 1)
    x, y = (int(v) for v in motion)
    first = texture[..., 8 : 8 + size[0], 8 : 8 + size[1]]
    # What is at p in the first image is at p + motion in the second.
    second = texture[..., 8 - y : 8 - y + size[0], 8 - x : 8 - x + size[1]]
    with torch.inference_mode():
        flow = network(first, second)
    assert flow.shape == (1, 2, *size)
    error = (flow - torch.tensor(motion).view(1, 2, 1, 1)).norm(dim=1)
    assert error[:, 8:-8, 8:-8].mean() < 0.25


def test_no_motion(network: SPyNet) -> None:
    image = functional.interpolate(
        torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(1)), (64, 64), mode="bicubic"
    )
    with torch.inference_mode():
        assert network(image, image).abs().mean() < 0.1


def test_tiny_images_and_wrong_shapes() -> None:
    network = SPyNet(num_levels=2)
    assert network(torch.rand(2, 3, 1, 3), torch.rand(2, 3, 1, 3)).shape == (2, 2, 1, 3)
    with pytest.raises(ValueError, match="not a pair"):
        network(torch.rand(1, 3, 8, 8), torch.rand(1, 3, 8, 9))
