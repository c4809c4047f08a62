"""Which sources count as clean."""

from __future__ import annotations

import pytest
import torch
from textured import source_of, target
from torch import Tensor

from stages.decode.cleanliness import cleanliness
from stages.decode.fidelity import enlarged


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_a_source_that_its_restoration_explains_is_clean(scale: int) -> None:
    frame = target()
    clean = cleanliness(frame, source_of(frame, scale))
    assert tuple(clean.shape[-2:]) == (192 // max(2, scale), 256 // max(2, scale))
    assert float(clean.min()) == 1


def found(frame: Tensor, damage: Tensor) -> float:
    return float(cleanliness(frame, source_of(frame) + damage).mean())


def test_the_more_is_taken_away_the_less_clean_the_source() -> None:
    noise = torch.randn(1, 3, 48, 64, generator=torch.Generator().manual_seed(2))
    noise[..., :6, :] = 0  # a quiet place, so that it is not noise all over
    judged = [found(target(), amount * noise) for amount in (0, 0.03, 0.04, 0.2)]
    assert judged[0] == 1 and judged[-1] == 0 and judged == sorted(judged, reverse=True)
    assert 0.02 < judged[2] < judged[1] < 0.98


def test_noise_all_over_is_damage_at_two_levels_of_8_bits() -> None:
    noise = torch.randn(1, 3, 48, 64, generator=torch.Generator().manual_seed(2)) * 2 / 255
    judged = [found(target(), levels * noise) for levels in (0.5, 1, 2)]
    assert judged[0] > 0.8 and judged[1] < 0.3 and judged[2] == 0


def test_black_bars_do_not_make_a_noisy_film_clean() -> None:
    bar = 56
    frame = target(192 + 2 * bar)
    frame[..., :bar, :] = frame[..., -bar:, :] = -1
    noise = torch.randn(1, 3, frame.shape[-2] // 4, 64, generator=torch.Generator().manual_seed(2)) * 4 / 255
    noise[..., : bar // 4, :] = noise[..., -bar // 4 :, :] = 0
    assert found(frame, 0 * noise) > 0.5 and found(frame, noise) == 0


def test_a_speck_in_a_clean_source_stays_damage() -> None:
    frame = target(768, 1024)
    source = source_of(frame)
    source[..., 20:22, 30:32] = 0.9
    clean = cleanliness(frame, source)
    assert float(clean[..., 20:22, 30:32].max()) == 0
    assert float(clean.median()) > 0.9


def test_an_even_source_says_nothing() -> None:
    grey = torch.zeros(1, 3, 48, 64)
    assert float(cleanliness(enlarged(grey, (192, 256)), grey).max()) == 0
