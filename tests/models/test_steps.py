"""The arithmetic of one step where a chunk is no multiple of the window."""

from __future__ import annotations

import torch

from models.motion import Motion
from models.schedule import DiffusionSchedule
from models.steps import GuidanceSettings, GuidedSteps, SamplerSettings

BASE = DiffusionSchedule.base()
PUBLISHED = GuidanceSettings("published", -10.0)


def chunk(frames):
    generator = torch.Generator().manual_seed(0)
    flows = torch.randn(2, frames - 1, 2, 6, 7, generator=generator)
    return torch.randn(frames, 3, 6, 7, generator=generator), Motion.from_flow(*flows)


def test_published_guidance_leaves_frames_alone_that_it_compares_with_nothing():
    """A rest of two frames has one pair, of which only the pulls towards zero are left."""
    structure, motion = chunk(7)
    steps = GuidedSteps(BASE, SamplerSettings(4, last_window="shift", guidance=PUBLISHED), motion)
    whole = GuidedSteps(BASE, SamplerSettings(4, guidance=PUBLISHED), motion.pairs(0, 4))
    (guided, loss), (expected, value) = steps.guide(structure, 1), whole.guide(structure[:5], 1)
    assert torch.equal(guided[:5], expected) and loss == value
    assert torch.equal(guided[5:], structure[5:])
    structure, motion = chunk(8)
    steps = GuidedSteps(BASE, SamplerSettings(4, last_window="shift", guidance=PUBLISHED), motion)
    assert not torch.equal(steps.guide(structure, 1)[0][5:], structure[5:])
