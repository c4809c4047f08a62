"""ColorVideoVDP: how visible the difference to the reference is, in space, time and colour.

Source: Mantiuk, Hanji, Ashraf, Asano and Chapiro, "ColorVideoVDP: a visual difference predictor for image, video and
display distortions", ACM TOG (SIGGRAPH) 43(4), 2024; the authors' package ``cvvdp`` 0.5.7 (MIT), metric ``cvvdp``. It
models contrast sensitivity and masking of human vision, with sustained and transient channels, so that flicker counts.
Unit: JOD (just-objectionable differences) below 10. Range: up to 10, which is no visible difference; one JOD less is
preferred by 25 % of viewers instead of 50 %, two by 9 %. The display decides what can be seen: by default a 30-inch
4K screen of 200 cd/m², seen from twice its height (the package's ``standard_4k``), on which R'G'B' is taken for sRGB.

Frames are pulled through the package's streaming interface, one pair at a time on a CPU; a quarter of a second of
frames is held for the temporal filters, and a few hundred bytes per frame are kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from importlib import import_module
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from evaluation.cvvdp_import import load

DISPLAY = "standard_4k"
GPU_MEMORY = 4.0
"""GB that the metric may fill with frames on a GPU; without a limit it takes all there is."""

Pair = tuple[NDArray[np.float32], NDArray[np.float32]]


def load_metric(device: torch.device, display: str = DISPLAY) -> Any:
    """The package's metric for a display; loaded before anything is measured, since a display may be unknown.

    Args:
        device: where it computes.
        display: one of the package's display models.

    Raises:
        MissingError: the package is not installed.
        ValueError: there is no such display model.
    """
    package = load()
    try:
        return package.cvvdp(display_name=display, quiet=True, device=device, gpu_mem=GPU_MEMORY)
    except (RuntimeError, KeyError, package.vq_exception) as error:
        raise ValueError(f"display {display!r} is not known to ColorVideoVDP ({error})") from None


@torch.inference_mode()
def colorvideovdp(metric: Any, pairs: Iterator[Pair], size: tuple[int, int], frames: int, rate: Fraction) -> float:
    """JOD of a clip against its reference.

    Args:
        metric: see ``load_metric``.
        pairs: (restored, reference) frames ``[h, w, 3]`` in [0, 1], in order.
        size: height and width.
        frames: how many pairs there are.
        rate: frames per second.
    """
    source = _source(metric, pairs, size, frames, rate)
    quality, _ = metric.predict_video_source(source)
    source.pair = None  # the class made for this clip lives until the next garbage collection; its frames need not
    return float(quality)


def _source(metric: Any, pairs: Iterator[Pair], size: tuple[int, int], frames: int, rate: Fraction) -> Any:
    """The package's view of a stream of frames."""
    base: Any = import_module("pycvvdp.video_source").video_source_dm

    class Stream(base):
        def __init__(self) -> None:
            super().__init__(display_photometry=metric.display_photometry)
            self.number = -1
            self.pair: Pair | None = None

        def get_video_size(self) -> tuple[int, int, int]:
            return (*size, frames)

        def get_frames_per_second(self) -> float:
            return float(rate)

        def get_test_frame(self, frame: int, device: torch.device, colorspace: str) -> Any:
            return self._frame(frame, 0, device, colorspace)

        def get_reference_frame(self, frame: int, device: torch.device, colorspace: str) -> Any:
            return self._frame(frame, 1, device, colorspace)

        def _frame(self, frame: int, which: int, device: torch.device, colorspace: str) -> Any:
            while self.number < frame:
                self.pair = next(pairs)
                self.number += 1
            if self.number > frame or self.pair is None:
                raise RuntimeError(f"frame {frame} was asked for after frame {self.number}")
            image = torch.from_numpy(self.pair[which]).to(device).permute(2, 0, 1)[None, :, None]
            return self.apply_dm_and_color_transform(image, colorspace)

    return Stream()
