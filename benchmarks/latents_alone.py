"""What the sampler does, made visible: a crop of the sample clip, restored by the embedded networks' latents alone.

``decode.fusion_weight`` is 0 and sampling starts from a bicubic estimate and, unless said otherwise, full noise, so
that nothing but the latents makes the picture. With the shipped settings the estimate's features carry nearly all of
it, and no switch of the sampler would show.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.seams import SAMPLES, SCALE, crop
from evaluation.evaluate import evaluate
from evaluation.settings import EvaluationSettings
from pipeline.config import merge, validate
from pipeline.run import run

MEASURES = EvaluationSettings(measures=("psnr", "cvvdp", "niqe", "warping"), flow="dis", device="cpu")
COLUMNS = f"{'PSNR-Y':>9}{'JOD':>8}{'NIQE':>8}{'E*warp':>9}{'CPU s':>9}"


def add_options(parser: argparse.ArgumentParser, frames: int = 10) -> None:
    """Add what both the clip and its restoration are made by."""
    parser.add_argument("--frames", type=int, default=frames)
    parser.add_argument("--size", type=int, nargs=2, default=(96, 64), metavar=("WIDTH", "HEIGHT"), help="of the crop")
    parser.add_argument("--start", type=float, default=1.0, help="share of the noise to start from")
    parser.add_argument("--json", type=Path, help="write the rows there, too")


@dataclass(frozen=True, slots=True)
class Restored:
    """A restored clip.

    Attributes:
        path: of its file.
        processor_seconds: of the whole run.
    """

    path: Path
    processor_seconds: float


class Trial:
    """One crop, restored in many ways.

    Args:
        options: see ``add_options``.
        folder: for clips and runs.
    """

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.options, self.folder = options, folder
        size = tuple(options.size)
        self.low = crop(SAMPLES / "city.mkv", folder / "clip.mkv", options.frames, size)
        self.original = crop(SAMPLES / "city_original.mkv", folder / "original.mkv", options.frames, size, SCALE)
        self._runs = 0

    def restore(self, workspace: str | None = None, fusion: float = 0.0, **values: Mapping[str, Any]) -> Restored:
        """Restore the crop.

        Args:
            workspace: a name; runs of the same one share what their settings have in common. None is a new one.
            fusion: weight of the estimate's features; 0 leaves the latents alone.
            values: settings of the stages (``sample={"steps": 8}``), over the trial's own.

        Raises:
            RuntimeError: the run failed.
        """
        own: dict[str, Any] = {
            "split": {"chunk_frames": self.options.frames, "overlap_frames": 0, "detect_cuts": False},
            "sample": {"initial_estimate": "bicubic", "start": self.options.start},
            "decode": {"temporal_filter": 0.0},  # it would hide most of what the rows differ by
            "runtime": {"threads": torch.get_num_threads(), "device": "cpu"},
        }
        config = merge(merge(own, values), {"decode": {"fusion_weight": fusion}})
        self._runs += 1
        folder, begin = self.folder / str(self._runs), time.process_time()
        shared = self.folder / workspace if workspace else folder / "workspace"
        report = run(validate(config), [self.low], folder / "restored", shared, allow_changed=workspace is not None)
        if not report.ok:
            raise RuntimeError(f"{values}: {report.failures[0].message}")
        return Restored(folder / "restored" / self.low.name, round(time.process_time() - begin, 2))

    def measure(self, restored: Restored) -> dict[str, Any]:
        """The measures against the original."""
        found = evaluate(self.original, restored.path, settings=MEASURES)
        return {
            "psnr_y": found.psnr_y,
            "jod": found.cvvdp,
            "niqe": found.restored.niqe,
            "warping_error": found.restored.warping_error,
            "processor_seconds": restored.processor_seconds,
        }


@contextmanager
def trial(options: argparse.Namespace) -> Iterator[Trial]:
    """A trial in a folder that goes with it."""
    with tempfile.TemporaryDirectory(prefix="latents-") as name:
        yield Trial(options, Path(name))


def columns(row: Mapping[str, Any]) -> str:
    """The measures of a row, as ``COLUMNS`` heads them."""
    return (
        f"{row['psnr_y']:9.3f}{row['jod']:8.3f}{row['niqe']:8.2f}{row['warping_error']:9.3f}"
        f"{row['processor_seconds']:9.1f}"
    )
