"""What the embedded model makes of the sample clip: nearer to the original than bicubic, sharper, true in colour."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from pipeline.config import load_config
from pipeline.run import run

SAMPLES = Path(__file__).parents[2] / "samples"
FRAMES = 5

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


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[np.ndarray], list[np.ndarray], list[np.ndarray]]:
    """(restored, enlarged bicubically, original) frames in R'G'B' of 0..255."""
    folder = tmp_path_factory.mktemp("quality")
    short = folder / "city.mkv"
    with av.open(str(SAMPLES / "city.mkv")) as source, av.open(str(short), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        packets = (packet for packet in source.demux(video=0) if packet.dts is not None)
        for _, packet in zip(range(FRAMES), packets, strict=False):
            packet.stream = stream
            target.mux(packet)
    report = run(load_config(), [short], folder / "out", folder / "work")
    assert report.ok, report.failures
    restored = list(frames(folder / "out" / "city.mkv"))
    height, width = restored[0].shape[:2]
    bicubic = [
        np.clip(cv2.resize(frame, (width, height), interpolation=cv2.INTER_CUBIC), 0, 255)
        for frame in frames(SAMPLES / "city.mkv")
    ]
    return restored, bicubic, list(frames(SAMPLES / "city_original.mkv"))


def test_it_is_closer_to_the_original_than_bicubic(clips: tuple[list[np.ndarray], ...]) -> None:
    restored, bicubic, original = clips
    assert len(restored) == len(original) == FRAMES
    ours, theirs = (
        np.mean([psnr(luma(frame), luma(truth)) for frame, truth in zip(candidate, original, strict=True)])
        for candidate in (restored, bicubic)
    )
    assert ours > theirs


def test_it_is_sharper_than_bicubic(clips: tuple[list[np.ndarray], ...]) -> None:
    restored, bicubic, _ = clips
    assert np.mean([sharpness(f) for f in restored]) > 1.3 * np.mean([sharpness(f) for f in bicubic])


def test_its_colours_are_those_of_the_input(clips: tuple[list[np.ndarray], ...]) -> None:
    restored, _, _ = clips
    for small, large in zip(frames(SAMPLES / "city.mkv"), restored, strict=True):
        reduced = cv2.resize(large, (small.shape[1], small.shape[0]), interpolation=cv2.INTER_AREA)
        assert np.abs((reduced - small).mean(axis=(0, 1))).max() < 1.0
        assert psnr(reduced, small) > 30
