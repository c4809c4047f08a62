from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from evaluation.cvvdp_import import is_installed
from stages.media.colour import ColourTags, Matrix, Range
from stages.media.ffv1 import OutputFormat
from stages.media.frames import FrameWriter

HEIGHT, WIDTH = 80, 112
WriteClip = Callable[[str, np.ndarray], Path]


@pytest.fixture
def write_clip(tmp_path: Path) -> WriteClip:
    """Writes 8-bit R'G'B' frames [n, h, w, 3] without loss."""

    def write(name: str, frames: np.ndarray) -> Path:
        colour = ColourTags(matrix=Matrix.RGB, range=Range.FULL, primaries=1, transfer=13)
        form = OutputFormat(frames.shape[2], frames.shape[1], "bgr0", Fraction(25), Fraction(1), colour)
        path = tmp_path / f"{name}.mkv"
        with FrameWriter(path, form) as writer:
            for frame in frames:
                writer.write(frame.astype(np.float32) / 255)
        return path

    return write


@pytest.fixture(scope="session")
def panning() -> np.ndarray:
    """A smooth texture that moves one pixel a frame to the left: [15, HEIGHT, WIDTH, 3] uint8, 40 to 200."""
    count = 15
    noise = np.random.default_rng(7).normal(size=(HEIGHT, WIDTH + count, 3))
    keep = np.hypot(np.fft.fftfreq(HEIGHT)[:, None], np.fft.fftfreq(WIDTH + count)) < 0.12
    wave = np.fft.ifft2(np.fft.fft2(noise, axes=(0, 1)) * keep[..., None], axes=(0, 1)).real
    texture = 120 + 28 * wave / wave.std()
    texture = np.clip(texture, 40, 200).astype(np.uint8)
    return np.stack([texture[:, shift : shift + WIDTH] for shift in range(count)])


@pytest.fixture(scope="session")
def cvvdp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """ColorVideoVDP's package: the installed one, else installed for this session as the manual says."""
    if is_installed():
        yield
        return
    folder = tmp_path_factory.mktemp("cvvdp")
    constraints = Path(__file__).parents[2] / "constraints.txt"
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "-c", str(constraints)]
    done = subprocess.run([*command, "--target", str(folder), "cvvdp"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        if os.environ.get("CI"):
            pytest.fail(f"cvvdp cannot be installed: {done.stderr[-500:]}")
        pytest.skip("cvvdp is not installed and cannot be fetched")
    sys.path.append(str(folder))
    yield
    sys.path.remove(str(folder))
