"""What the measures must tell apart, on clips small enough to measure in seconds."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from evaluation.evaluate import BorderPlan, evaluate
from evaluation.report import Report
from evaluation.seams import Windows, find_borders
from evaluation.settings import EvaluationSettings, Measure

WriteClip = Callable[[str, np.ndarray], Path]
WINDOWS = BorderPlan("windows of 5", lambda frames: find_borders(frames, [(0, frames)], [Windows(5)]))


def judge(reference: Path, restored: Path, *measures: Measure) -> Report:
    settings = EvaluationSettings(measures=measures, flow="dis", device="cpu")
    return evaluate(reference, restored, settings=settings, borders=WINDOWS)


def shifted(frames: np.ndarray, levels: np.ndarray) -> np.ndarray:
    return (frames.astype(np.int16) + levels[:, None, None, None]).astype(np.uint8)


@pytest.mark.usefixtures("cvvdp")
def test_a_clip_against_itself_is_perfect(write_clip: WriteClip, panning: np.ndarray) -> None:
    clip = write_clip("clip", panning)
    report = judge(clip, clip, "psnr", "ssim", "cvvdp", "warping", "sharpness")
    assert math.isinf(report.psnr_y)
    assert report.ssim_y == pytest.approx(1, abs=1e-9)
    assert report.cvvdp == pytest.approx(10, abs=1e-3)
    assert report.seams.window == pytest.approx(1, abs=1e-9)
    assert report.restored == report.reference
    assert report.pairs_left_out == 0


@pytest.mark.usefixtures("cvvdp")
def test_flicker_is_worse_than_a_constant_shift(write_clip: WriteClip, panning: np.ndarray) -> None:
    clip = write_clip("clip", panning)
    constant = write_clip("constant", shifted(panning, np.full(len(panning), 4)))
    flicker = write_clip("flicker", shifted(panning, np.where(np.arange(len(panning)) % 2, 4, -4)))
    steady, unsteady = (judge(clip, each, "cvvdp", "warping", "psnr") for each in (constant, flicker))
    assert unsteady.psnr_y == pytest.approx(steady.psnr_y, abs=0.01)  # frame by frame they are equally wrong
    assert unsteady.cvvdp < steady.cvvdp - 1
    assert unsteady.restored.warping_error > 1.5 * steady.restored.warping_error
    assert steady.restored.warping_error == pytest.approx(steady.reference.warping_error, rel=0.02)


def test_texture_renewed_in_every_window_shows_as_seams(write_clip: WriteClip, panning: np.ndarray) -> None:
    random = np.random.default_rng(3)
    windows = [random.normal(0, 6, panning.shape[1:]) for _ in range(0, len(panning), 5)]
    grain = np.stack([windows[frame // 5] for frame in range(len(panning))])
    # Grain that moves with the picture, so that it is steady within a window.
    grain = np.stack([np.roll(each, -frame, axis=1) for frame, each in enumerate(grain)])
    restored = write_clip("restored", np.clip(panning + grain, 0, 255).astype(np.uint8))
    report = judge(write_clip("clip", panning), restored, "warping")
    assert report.seams.window > 1.5
    assert report.seams.chunk is None and report.seams.chunk_pairs == 0
    assert report.seams.window_pairs == 2
