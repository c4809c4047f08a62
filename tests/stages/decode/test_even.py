"""Where a source is even, and what becomes of its restoration there."""

from __future__ import annotations

import pytest
import torch
from textured import source_of, target

from stages.decode.even import SIDE, even_places_of, evenness, grown


def test_single_even_blocks_of_a_compressed_picture_do_not_count() -> None:
    source = source_of(target(512, 512))
    source[..., 32:48, 32:48] = 0.3
    frame = torch.zeros(1, 3, 512, 512)
    assert torch.equal(even_places_of(source, frame), frame)


def test_black_bars_stay_black_and_the_picture_between_them_is_the_networks() -> None:
    source = (source_of(target(512, 512)) + 1) / 2
    source[..., :40, :] = source[..., -40:, :] = 0
    made = torch.rand(1, 3, 512, 512, generator=torch.Generator().manual_seed(1))
    kept = even_places_of(source, made)
    assert float(kept[..., :158, :].max()) == float(kept[..., -158:, :].max()) == 0
    assert torch.equal(kept[..., 160:-160, :], made[..., 160:-160, :])


def test_an_even_place_counts_to_its_edges() -> None:
    source = source_of(target(512, 512))
    source[..., 20:70, 30:90] = 0.3
    found = grown(evenness(source, SIDE), SIDE)
    wanted = torch.zeros_like(found)
    wanted[..., 20:70, 30:90] = True
    assert torch.equal(found, wanted)


@pytest.mark.parametrize("size", [(1, 1), (40, 24), (96, 7)])
@pytest.mark.parametrize("scale", [1, 2, 3])
def test_a_black_frame_stays_black_at_any_size(size: tuple[int, int], scale: int) -> None:
    black = torch.zeros(1, 3, *size)
    made = torch.full((1, 3, scale * size[0], scale * size[1]), 0.05)
    assert float(even_places_of(black, made).max()) == 0


def test_noise_is_not_even() -> None:
    noise = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(1)) * 2 / 255
    assert not evenness(noise, SIDE).any()
