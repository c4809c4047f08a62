"""A calibration read off the manifest of a run: it counts what a run counts, look-up, arithmetic, encoding, commit."""

from __future__ import annotations

import os
import platform
from collections import Counter, defaultdict
from collections.abc import Container, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from pipeline import manifest
from pipeline.config import RunConfig, validate
from pipeline.fingerprint import CHUNK_STAGES, STAGES, Recipe, content_of
from pipeline.planning.calibration import Calibration, CalibrationError, Measurement, canvas_pixels, settings_of
from pipeline.schemas import DONE
from pipeline.storage import Storage
from pipeline.workspace import RECORD, Workspace
from stages.media.table import TABLE_NAME, FrameTable


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
    whole: Counter[str] = Counter()
    for (video, _), length in lengths.items():
        whole[video] += length
    sizes = {video: size for video, own in prints.items() if (size := _pixels(storage, own, config))}
    sums: dict[tuple[str, int], list[float]] = defaultdict(lambda: [0, 0.0, 0])
    for row in _made(storage, plans, sizes):
        frames = lengths[row["video"], row["chunk"]] if row["chunk"] >= 0 else whole[row["video"]]
        total = sums[row["stage"], sizes[row["video"]][row["stage"] != "split"]]
        for index, value in enumerate((frames, row["seconds"], row["bytes"])):
            total[index] += value
    return [
        Measurement(stage=stage, pixels=pixels, frames=int(frames), seconds=round(seconds, 4), bytes=int(size))
        for (stage, pixels), (frames, seconds, size) in sorted(sums.items())
    ]


def _made(storage: Storage, plans: Mapping[str, set[str]], videos: Container[str]) -> Iterator[dict[str, Any]]:
    """Yield the events that count, of these videos; a worker's first chunk last, and only if it made no other."""
    first: dict[tuple[str, str], dict[str, Any] | None] = {}
    columns = ("stage", "outcome", "video", "plan", "chunk", "worker", "seconds", "bytes")
    for table in manifest.read(storage, "events", columns):
        for row in table.to_pylist():
            chunked = row["stage"] == "split" or row["stage"] in CHUNK_STAGES
            asked = row["plan"] in plans[row["stage"]]
            if row["outcome"] != DONE or not asked or row["video"] not in videos or chunked != (row["chunk"] >= 0):
                continue
            worker = row["stage"], row["worker"]
            if row["stage"] in CHUNK_STAGES and worker not in first:
                first[worker] = row
            else:
                first[worker] = None
                yield row
    yield from (row for row in first.values() if row is not None)


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
            # Which of them are folders of images is not written down.
            contents = [content_of(row["sha256"], images) for images in (False, True)] if row["sha256"] else []
            for stage, plan in (pair for each in contents for pair in recipe.plan(each, row["output"]).items()):
                plans[stage].add(plan)
    return plans


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
