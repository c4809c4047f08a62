"""The recurrent estimate, a frame at a time."""

from __future__ import annotations

import pytest
import torch

from models.basicvsr import BasicVSR
from models.canvas import fit_canvas
from stages.sample.estimate import keep_every, quantise, recurrent_estimates


@pytest.fixture
def network() -> BasicVSR:
    torch.manual_seed(0)
    return BasicVSR(channels=4, num_blocks=1, num_levels=2).eval()


@torch.inference_mode()
@pytest.mark.parametrize("scale", [4, 3])
def test_estimates_are_clamped_and_of_the_size_asked_for(network: BasicVSR, scale: int) -> None:
    canvas = fit_canvas((8, 10), scale, 8)
    estimates = list(recurrent_estimates(network, torch.rand(3, 3, 8, 10), canvas, 1.0))
    assert [estimate.shape for estimate in estimates] == [(1, 3, *canvas.upscaled)] * 3
    assert all(estimate.min() >= 0 and estimate.max() <= 1 for estimate in estimates)


@torch.inference_mode()
def test_where_memory_is_scarce_estimates_come_one_by_one(network: BasicVSR) -> None:
    canvas, made = fit_canvas((8, 10), 4, 8), []
    network._reconstruct = lambda *x: made.append(1) or BasicVSR._reconstruct(network, *x)  # type: ignore[func-returns-value]
    estimates = recurrent_estimates(network, torch.rand(3, 3, 8, 10), canvas, 1e-9)
    next(estimates)
    assert len(made) == 1
    assert len(list(estimates)) == 2 and len(made) == 3


@torch.inference_mode()
def test_keeping_fewer_features_changes_nothing(network: BasicVSR) -> None:
    frames, canvas = torch.rand(5, 3, 8, 10), fit_canvas((8, 10), 4, 8)
    ample, scarce = (list(recurrent_estimates(network, frames, canvas, memory)) for memory in (1.0, 1e-9))
    assert all(torch.equal(one, other) for one, other in zip(ample, scarce, strict=True))


def test_features_are_kept_while_they_fit() -> None:
    assert [keep_every(n, 2**28, 1.0) for n in (1, 4, 5, 24, 25, 26)] == [1, 1, 3, 5, 5, 6]


def test_quantised_values_are_codes() -> None:
    codes = quantise(torch.rand(100), 10) * 1023
    assert torch.allclose(codes, codes.round(), atol=1e-4)
