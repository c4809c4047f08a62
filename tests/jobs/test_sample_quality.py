"""What the embedded model makes of the sample clip: nearer to the original than bicubic, sharper, true in colour."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from benchmarks.seams import SCALE, crop
from pipeline.config import load_config
from pipeline.run import run

SAMPLES = Path(__file__).parents[2] / "samples"
FRAMES = 5
SIZE = (120, 80)
"""Width and height of the crop."""

pytestmark = pytest.mark.slow


def frames(path: Path, pix_fmt: str = "rgb24") -> Iterator[np.ndarray]:
    with av.open(str(path)) as container:
        for _, frame in zip(range(FRAMES), container.decode(video=0), strict=False):
            yield frame.to_ndarray(format=pix_fmt).astype(np.float64)


def luma(frame: np.ndarray) -> np.ndarray:
    return frame @ np.array([65.481, 128.553, 24.966]) / 255 + 16


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.mean((a - b) ** 2)))


def sharpness(frame: np.ndarray) -> float:
    return float(np.abs(cv2.Laplacian(luma(frame), cv2.CV_64F)).mean())


@dataclass(frozen=True)
class Clips:
    """Frames in R'G'B' of 0..255: as they came, restored, enlarged bicubically, and as they were."""

    small: list[np.ndarray]
    restored: list[np.ndarray]
    bicubic: list[np.ndarray]
    original: list[np.ndarray]


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Clips:
    folder = tmp_path_factory.mktemp("quality")
    short = crop(SAMPLES / "city.mkv", folder / "city.mkv", FRAMES, SIZE)
    original = crop(SAMPLES / "city_original.mkv", folder / "original.mkv", FRAMES, SIZE, SCALE)
    report = run(load_config(), [short], folder / "out", folder / "work")
    assert report.ok, report.failures
    small = list(frames(short))
    width, height = SIZE[0] * SCALE, SIZE[1] * SCALE
    bicubic = [np.clip(cv2.resize(frame, (width, height), interpolation=cv2.INTER_CUBIC), 0, 255) for frame in small]
    return Clips(small, list(frames(folder / "out" / "city.mkv")), bicubic, list(frames(original)))


def test_it_is_closer_to_the_original_than_bicubic(clips: Clips) -> None:
    assert len(clips.restored) == len(clips.original) == FRAMES
    ours, theirs = (
        np.mean([psnr(luma(frame), luma(truth)) for frame, truth in zip(candidate, clips.original, strict=True)])
        for candidate in (clips.restored, clips.bicubic)
    )
    assert ours > theirs


def test_it_is_sharper_than_bicubic(clips: Clips) -> None:
    ours, theirs = (np.mean([sharpness(frame) for frame in frames]) for frames in (clips.restored, clips.bicubic))
    assert ours > 1.3 * theirs


def test_its_colours_are_those_of_the_input(clips: Clips) -> None:
    for small, large in zip(clips.small, clips.restored, strict=True):
        reduced = cv2.resize(large, (small.shape[1], small.shape[0]), interpolation=cv2.INTER_AREA)
        assert np.abs((reduced - small).mean(axis=(0, 1))).max() < 1.0
        assert psnr(reduced, small) > 30
