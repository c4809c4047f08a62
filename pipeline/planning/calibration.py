"""Seconds and bytes per frame, as a real run took them.

A calibration is read off the manifest of a run, so it counts what a run counts: look-up, arithmetic, encoding, commit.
It is good for the settings and the device that it was measured with, and says so.
"""

from __future__ import annotations

import hashlib
import os
import platform
from collections import Counter, defaultdict
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from scipy.optimize import nnls

from pipeline import manifest
from pipeline.config import RunConfig, validate
from pipeline.fingerprint import CHUNK_STAGES, STAGES, Recipe, canonical_json
from pipeline.schemas import DONE
from pipeline.storage import Storage
from pipeline.workspace import RECORD, Workspace
from stages.media.table import TABLE_NAME, FrameTable


class CalibrationError(Exception):
    """There is no calibration, or none that fits. One line."""


class Measurement(BaseModel):
    """What one stage took for frames of one size."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    stage: str = Field(..., description="name of the stage")
    pixels: int = Field(..., gt=0, description="of a frame: of the source for split, of the working canvas for others")
    frames: int = Field(..., gt=0, description="frames measured, those in overlaps counted as often as they are made")
    seconds: float = Field(..., ge=0, description="one worker's time for them")
    bytes: int = Field(..., ge=0, description="size of what was written for them")


class Calibration(BaseModel):
    """A calibration file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    device: str = Field(..., description="what networks run on where the run was read off")
    gpu: bool = Field(..., description="whether that is a GPU")
    measured: str = Field(..., description="date")
    workspace: str = Field(..., description="the run that it was read off")
    nodes: tuple[str, ...] = Field((), description="names of the machines that the networks ran on")
    settings: dict[str, str] = Field(..., description="stage -> digest of its parameters and weights")
    measurements: tuple[Measurement, ...] = Field(..., description="what was measured")

    def unfit(self, recipe: Recipe) -> list[str]:
        """Return the stages that would run with other settings than were measured."""
        now = settings_of(recipe)
        return [stage for stage in STAGES if self.settings.get(stage) != now[stage]]

    def predict(self, stage: str, what: str, pixels: int, frames: float) -> float:
        """Return the seconds or bytes (``what``) that a stage takes for so many frames of so many pixels.

        A frame costs a part that is the same for all and a part for each pixel, fitted to what was measured (least
        squares, neither negative); where one size was measured, all is taken as cost of the pixels.
        """
        mine = [each for each in self.measurements if each.stage == stage]
        if not mine:
            raise CalibrationError(f"the calibration has nothing about {stage}; calibrate again")
        weights = np.sqrt([each.frames for each in mine])
        per_frame = np.array([getattr(each, what) / each.frames for each in mine])
        sizes = np.array([each.pixels for each in mine], float)
        scale = sizes.max()
        columns = [sizes / scale] if len(set(sizes)) == 1 else [sizes / scale, np.ones_like(sizes)]
        parts, _ = nnls(np.stack(columns, axis=1) * weights[:, None], per_frame * weights)
        return float(frames * (parts[0] * pixels / scale + (parts[1] if len(parts) > 1 else 0.0)))


def settings_of(recipe: Recipe) -> dict[str, str]:
    """Return stage -> digest of what decides its arithmetic."""
    return {
        stage: hashlib.sha256(canonical_json([identity.parameters, identity.weights])).hexdigest()
        for stage, identity in recipe.identities.items()
    }


def load(path: str | Path) -> Calibration:
    """Return a calibration file.

    Raises:
        CalibrationError: if there is none or it is not one.
    """
    try:
        return Calibration.model_validate_json(Path(path).read_bytes())
    except FileNotFoundError:
        raise CalibrationError(f"{path}: no such file; 'reelift calibrate --output {path}' makes it") from None
    except (OSError, ValidationError, ValueError):
        raise CalibrationError(f"{path}: not a calibration; 'reelift calibrate --output {path}' makes one") from None


def read_off(workspace: str | Path) -> Calibration:
    """Return the calibration that a finished run is.

    The manifest has the names of the machines, not their devices: the device is that of the machine that reads.

    Raises:
        CalibrationError: if it made nothing, its chunks have been deleted, or its device is none that is here.
        ConfigError: if its settings cannot be used.
        SetupError: if its model is not here.
        StorageError: if the workspace cannot be read.
    """
    from pipeline.run import make_recipe
    from pipeline.stage_factories import stage_factories

    place = Workspace(workspace)
    resolved = place.settings()
    if not resolved:
        raise CalibrationError(f"{place.url}: no workspace is there; give the folder that restore was given")
    config = validate({name: value for name, value in resolved.items() if name not in RECORD}, place.url)
    recipe = make_recipe(stage_factories(config))
    try:
        device, gpu = device_name(config)
    except ValueError as error:
        raise CalibrationError(f"{place.url}: {error}; read it off on a machine like the one that ran it") from None
    measurements = measure(place.storage, config, recipe)
    if {each.stage for each in measurements} != set(STAGES):
        raise CalibrationError(
            f"{place.url}: this run did not take a video through all stages, or its chunks are deleted; calibrate anew"
        )
    return Calibration(
        device=device,
        gpu=gpu,
        measured=date.today().isoformat(),
        workspace=place.url,
        nodes=tuple(sorted(_nodes(place.storage, recipe))),
        settings=settings_of(recipe),
        measurements=tuple(measurements),
    )


def measure(storage: Storage, config: RunConfig, recipe: Recipe) -> list[Measurement]:
    """Return what the stages took, by size of frame, from the manifest.

    What a workspace made with other settings than its last ones is left out, and each worker's first chunk where it
    made others: it pays for what is loaded and compiled once.
    """
    plans = _plans(storage, recipe)
    lengths: dict[tuple[str, int], int] = {}
    prints: dict[str, str] = {}
    for table in manifest.read(storage, "chunks", ("video", "plan", "fingerprint", "chunk", "start", "stop")):
        for row in table.to_pylist():
            if row["plan"] not in plans["split"]:
                continue
            lengths[row["video"], row["chunk"]] = row["stop"] - row["start"]
            prints.setdefault(row["video"], row["fingerprint"])
    sizes = {video: size for video, own in prints.items() if (size := _pixels(storage, own, config))}
    columns = ("stage", "outcome", "video", "plan", "chunk", "worker", "seconds", "bytes")
    made: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for table in manifest.read(storage, "events", columns):
        for row in table.to_pylist():
            chunked = row["stage"] == "split" or row["stage"] in CHUNK_STAGES
            asked = row["plan"] in plans[row["stage"]]
            if row["outcome"] == DONE and asked and row["video"] in sizes and chunked == (row["chunk"] >= 0):
                made[row["stage"], row["worker"]].append(row)
    whole: Counter[str] = Counter()
    for (video, _), length in lengths.items():
        whole[video] += length
    sums: dict[tuple[str, int], list[float]] = defaultdict(lambda: [0, 0.0, 0])
    for (stage, _), rows in made.items():
        for row in rows[1:] if stage in CHUNK_STAGES and len(rows) > 1 else rows:
            frames = lengths[row["video"], row["chunk"]] if row["chunk"] >= 0 else whole[row["video"]]
            total = sums[stage, sizes[row["video"]][stage != "split"]]
            for index, value in enumerate((frames, row["seconds"], row["bytes"])):
                total[index] += value
    return [
        Measurement(stage=stage, pixels=pixels, frames=int(frames), seconds=round(seconds, 4), bytes=int(size))
        for (stage, pixels), (frames, seconds, size) in sorted(sums.items())
    ]


def _nodes(storage: Storage, recipe: Recipe) -> set[str]:
    """Names of the machines that ran networks with these settings."""
    plans = _plans(storage, recipe)
    return {
        row["node"].partition("/")[0]  # what follows is Ray's own name of it
        for table in manifest.read(storage, "events", ("stage", "outcome", "plan", "node"))
        for row in table.to_pylist()
        if row["stage"] in CHUNK_STAGES and row["outcome"] == DONE and row["plan"] in plans[row["stage"]]
    }


def _plans(storage: Storage, recipe: Recipe) -> dict[str, set[str]]:
    """Stage -> its plans of all videos that were read."""
    plans: dict[str, set[str]] = {stage: set() for stage in STAGES}
    for table in manifest.read(storage, "videos", ("output", "sha256")):
        for row in table.to_pylist():
            for stage, plan in recipe.plan(row["sha256"], row["output"]).items() if row["sha256"] else ():
                plans[stage].add(plan)
    return plans


def canvas_pixels(width: int, height: int, config: RunConfig) -> int:
    """Return the pixels of the canvas on which frames of a size are restored."""
    from models.folder import ModelFolder
    from stages.geometry import canvas_of

    facts = {"first": 0, "time_base": "1/25", "pts": (0,), "durations": (1,), "width": width, "height": height}
    facts |= {"pix_fmt": "yuv420p", "rate": "25", "colour": {"matrix": 1, "range": 1}}
    table = FrameTable.model_validate(facts)
    rows, columns = canvas_of(table, config.setting, ModelFolder(config.model)).padded
    return rows * columns


def device_name(config: RunConfig) -> tuple[str, bool]:
    """Return what the networks run on here, and whether that is a GPU.

    Raises:
        ValueError: there is no such device here.
    """
    import torch

    from models.device import choose_device

    device = choose_device(config.runtime.device)
    if device.type == "cuda":
        return torch.cuda.get_device_name(device), True
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), model)
    except OSError:
        pass
    return f"{model}, {config.runtime.threads} of {os.cpu_count()} threads", device.type != "cpu"


def _pixels(storage: Storage, fingerprint: str, config: RunConfig) -> tuple[int, int] | None:
    """Return the pixels of a video's frames, of the source and of the canvas; None if its chunks are deleted."""
    try:
        table = FrameTable.model_validate_json(
            storage.read(f"artifacts/split/{fingerprint[:2]}/{fingerprint}/{TABLE_NAME}")
        )
    except FileNotFoundError:
        return None
    return table.width * table.height, canvas_pixels(table.width, table.height, config)
