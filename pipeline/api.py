"""The Python API: a library of videos, or frames in memory, through the same pipeline as the command line's.

Source: Yang et al., Motion-Guided Latent Diffusion for Temporally Consistent Real-world Video Super-resolution, ECCV
2024, arXiv 2312.00853. Where a preset departs from it, docs/presets.md says why.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from fractions import Fraction
from numbers import Rational, Real
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.config import RunConfig, load_config
from pipeline.driver import Progress
from pipeline.executors.base import Executor
from pipeline.executors.cautious import CautiousExecutor
from pipeline.report import RunReport
from pipeline.run import run
from stages.media.frames import FrameWriter, read_frames, rgb_format

Settings = str | Path | Mapping[str, Any] | None
"""A YAML file, or its content as nested mappings, like ``{"sample": {"steps": 5}}``."""


def restore(
    inputs: str | Path | Sequence[str | Path],
    output: str | Path,
    workspace: str | Path,
    *,
    settings: Settings = None,
    preset: str | None = None,
    executor: Literal["local", "ray"] = "local",
    progress: Progress | None = None,
    reprocess: bool = False,
    takeover: bool = False,
) -> RunReport:
    """Restore videos, as ``reelift restore`` does; the same call again goes on where it was, and does nothing twice.

    Args:
        inputs: files, folders, globs, fsspec URLs; one or several.
        output: folder or URL for the restored videos; mirrors the inputs' tree.
        workspace: folder or URL of the run's own record.
        settings: what differs from the preset.
        preset: name of a preset; None is the settings', or ``embedded``.
        executor: this process alone, or Ray (the cluster that RAY_ADDRESS names, else one of its own).
        progress: called as items are settled.
        reprocess: go on in a workspace made with other settings; what they reach is redone.
        takeover: replace a run that seems to be at work on this workspace.

    Returns:
        the report: what became of each video, and every failure. A video that fails is no exception.

    Raises:
        ConfigError: a setting is wrong.
        InputError, StorageError, SetupError, FencedError: see ``pipeline.run.run``.
    """
    config = load_config(settings, preset=preset)
    given = [inputs] if isinstance(inputs, str | Path) else list(inputs)
    chosen = make_executor(executor, config)
    try:
        return run(config, given, output, workspace, chosen, progress, allow_changed=reprocess, takeover=takeover)
    finally:
        chosen.close()


def make_executor(name: str, config: RunConfig) -> Executor:
    """The executor of that name.

    Raises:
        ValueError: there is none.
    """
    if name == "local":
        return CautiousExecutor()
    if name == "ray":
        from pipeline.executors.on_ray import RayExecutor

        return RayExecutor(config.pools)
    raise ValueError(f"executor {name!r} is not known; allowed: 'local', 'ray'")


FASTEST = 1000
"""Frames per second at most, as for folders of images."""


class MotionGuidedUpscalePipeline:
    """Frames in, restored frames out, in this process; for who has frames and no files.

    The frames go through the whole pipeline: cuts are found, long shots are divided and joined again.

    Args:
        config: all settings.
    """

    def __init__(self, config: RunConfig) -> None:
        self.config = config

    @classmethod
    def from_pretrained(
        cls, folder: str | Path | None = None, *, preset: str | None = None, settings: Settings = None
    ) -> MotionGuidedUpscalePipeline:
        """Choose a model folder (``reelift convert-checkpoint`` makes one); None is the embedded model.

        Raises:
            ConfigError: a setting is wrong.
        """
        config = load_config(settings, preset=preset)
        return cls(config if folder is None else config.model_copy(update={"model": Path(folder)}))

    def __call__(
        self, frames: ArrayLike, *, rate: Fraction | float = 25, progress: Progress | None = None
    ) -> NDArray[np.float32]:
        """Restore consecutive frames.

        Args:
            frames: R'G'B' ``[n, h, w, 3]``: floating point in [0, 1] (rounded to 16 bits), or 8-bit integers.
            rate: frames per second, above 0 and at most 1000; 29.97 is 2997/100, the rate of NTSC
                ``Fraction(30000, 1001)``.
            progress: called as items are settled.

        Returns:
            R'G'B' ``[n, scale * h, scale * w, 3]`` in [0, 1].

        Raises:
            ValueError: frames or rate are not of that form.
            SetupError, StorageError: see ``pipeline.run.run``.
            RuntimeError: the frames could not be restored.
        """
        clip, each_second = _clip(frames), _rate(rate)
        # In a bag the video would lie elsewhere, and no file of this run is for keeps.
        config = self.config.model_copy(update={"assemble": self.config.assemble.model_copy(update={"bag": False})})
        with tempfile.TemporaryDirectory(prefix="reelift-") as folder:
            place = Path(folder)
            with FrameWriter(place / "frames.mkv", rgb_format(clip.shape[2], clip.shape[1], 16, each_second)) as writer:
                for frame in clip:
                    writer.write(frame)
            report = run(config, [place / "frames.mkv"], place / "restored", place / "workspace", progress=progress)
            if not report.ok:
                raise RuntimeError(f"the frames could not be restored: {report.failures[0].message}")
            return np.stack(list(read_frames(place / "restored" / "frames.mkv")))


def _clip(frames: ArrayLike) -> NDArray[np.float32]:
    array = np.asarray(frames)
    if array.ndim != 4 or array.shape[-1] != 3 or not array.size:
        raise ValueError(f"frames must be [n, h, w, 3] with n, h, w > 0, not of shape {list(array.shape)}")
    if array.dtype == np.uint8:
        return array.astype(np.float32) / np.float32(255)
    if not np.issubdtype(array.dtype, np.floating):
        raise ValueError(f"frames must be floating point in [0, 1] or 8-bit integers, not {array.dtype}")
    if not (np.isfinite(array).all() and array.min() >= 0 and array.max() <= 1):
        raise ValueError("frames must lie in [0, 1]")
    return array.astype(np.float32)


def _rate(given: Fraction | float) -> Fraction:
    if not (isinstance(given, Real) and 0 < given <= FASTEST):
        raise ValueError(f"rate must be frames per second, above 0 and at most {FASTEST}, not {given!r}")
    return Fraction(given if isinstance(given, Rational) else float(given)).limit_denominator(100_000)
