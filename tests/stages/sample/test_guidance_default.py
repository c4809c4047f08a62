"""Guidance as configured by default."""

from __future__ import annotations

import pytest
import torch

from models.guidance import CorrectedGuidance
from models.motion import Motion
from stages.sample.config import GuidanceConfig


@pytest.mark.parametrize("noise", [1e-3, 0.03, 0.3, 1.0])
def test_a_step_shrinks_the_differences_of_still_frames_however_small_they_are(noise: float) -> None:
    config = GuidanceConfig()
    torch.manual_seed(0)
    still, visible = torch.zeros(7, 2, 6, 6), torch.zeros(7, 1, 6, 6)
    guidance = CorrectedGuidance(Motion(still, still, visible, visible), config.softness)
    before = torch.randn(1, 4, 6, 6) + noise * torch.randn(8, 4, 6, 6)
    after = before - config.scale * guidance.loss_and_gradient(before)[1]
    assert after.diff(dim=0).square().sum() < before.diff(dim=0).square().sum()
    assert (after - before).abs().max() <= 4.001 * config.scale
