from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from evaluation.consistency import resize
from report.measuring import FrameFigures, Measuring, by_shot
from report.pictures import choose
from report.shots import Shot

SHOT = Shot(0, 0, 10, ((5, 5),))


def moving(number: int) -> NDArray[np.float32]:
    """A smooth texture that moves two pixels a frame, under a little grain, [64, 96, 3]."""
    across, down = np.meshgrid(np.arange(96) + 2 * number, np.arange(64))
    wave = 0.5 + 0.2 * np.sin(across / 5) + 0.2 * np.cos(down / 7 + across / 11)
    grain = np.random.default_rng(number).normal(0, 0.01, (64, 96, 1))
    return np.repeat(wave[..., None] + grain, 3, axis=2).astype(np.float32)


def measure(change: float = 0.0, at: int = 5) -> FrameFigures:
    """Ten frames and their reduction by 2; from frame ``at`` on, the restored ones are brighter by ``change``."""
    measuring = Measuring()
    for number in range(10):
        frame = moving(number)
        low = resize(frame, (32, 48))
        measuring.add(number, low, frame + np.float32(change * (number >= at)), first=number == 0)
    return measuring.figures


def test_a_faithful_calm_shot_has_no_flag() -> None:
    (found,) = by_shot(measure(), [SHOT])
    assert found.frames == 10 and found.flags == ()
    assert found.consistency is not None and found.consistency > 45
    assert found.seam == pytest.approx(1, abs=0.3)


def test_what_nobody_could_see_is_no_seam() -> None:
    figures = measure()
    figures.warping = [value / 1000 * (10 if 4 < number < 7 else 1) for number, value in enumerate(figures.warping)]
    (found,) = by_shot(figures, [SHOT])
    assert found.seam is not None and found.seam > 4 and found.flags == ()


def test_a_jump_at_a_seam_is_flagged() -> None:
    figures = measure(0.02)
    assert math.isnan(figures.warping[0]) and figures.warping[5] > 3 * figures.warping[4]
    (found,) = by_shot(figures, [SHOT])
    assert found.seam is not None and found.seam > 1.5
    assert any("seam" in flag for flag in found.flags)


def test_a_jump_inside_is_no_seam() -> None:
    (found,) = by_shot(measure(0.02, at=8), [SHOT])
    assert found.seam is not None and found.seam < 1


def test_what_differs_from_its_input_is_flagged_and_shown() -> None:
    figures = measure(0.1, at=9)
    (found,) = by_shot(figures, [SHOT])
    assert found.consistency == min(figures.consistency) and found.consistency < 30
    assert any("differs from its input" in flag for flag in found.flags)
    chosen = {choice.frame: choice.why for choice in choose([SHOT], figures, 6)}
    assert "furthest from its input" in chosen[9] and "seam" in chosen[5]
    assert len(chosen) <= 6


def test_nothing_measured_gives_nothing() -> None:
    assert by_shot(FrameFigures(), [SHOT]) == []
    assert [choice.frame for choice in choose([SHOT], FrameFigures(), 1)] == [5]
    assert choose([], FrameFigures(), 8) == []
