"""The state of a workspace, folded from its manifest; works while a run is going on, and without it."""

from __future__ import annotations

from dataclasses import asdict
from types import SimpleNamespace
from typing import Any

from pipeline import manifest
from pipeline.fingerprint import CHUNK_STAGES, STAGES
from pipeline.schemas import DONE, FAILED
from pipeline.storage import Storage
from pipeline.tally import Tally

_COLUMNS = [
    "epoch",
    "stage",
    "outcome",
    "video",
    "chunk",
    "source",
    "plan",
    "attempt",
    "seconds",
    "error_class",
    "message",
    "traceback",
]


def fold(storage: Storage) -> tuple[Tally, int]:
    """Return the tally of all believed events and the newest epoch among them; one part is in memory at a time."""
    tally, newest = Tally(), 0
    for table in manifest.read(storage, "events", _COLUMNS):
        for values in table.to_pylist():
            newest = max(newest, values["epoch"])
            tally.add(SimpleNamespace(**values))
    return tally, newest


def status(workspace: str | Storage) -> dict[str, Any]:
    """Return the state of a workspace as plain JSON.

    ``videos``: total, done, failed, left. ``stages``: for each stage done, failed, left (chunks; videos for assemble)
    and the seconds spent on it; ``left`` counts what is known: chunks of videos that are not split yet are unknown.
    ``failures``: what stands failed, with attempts, class, message and traceback.
    """
    storage = workspace if isinstance(workspace, Storage) else Storage(workspace)
    tally, newest = fold(storage)
    sources: set[str] = set()
    for table in manifest.read(storage, "videos", ("source",)):
        sources.update(table["source"].to_pylist())
    done = tally.videos("assemble", DONE)
    broken = failed_sources(storage, tally)
    stages = {}
    for stage in STAGES:
        if stage == "assemble":
            counts = {"done": done, "failed": tally.videos("assemble", FAILED)}
            counts["left"] = max(0, len(sources) - done - len(broken))
        else:
            counts = {"done": tally.done(stage), "failed": tally.failed(stage), "left": 0}
            if stage in CHUNK_STAGES:
                settled = counts["done"] + counts["failed"] + tally.lost(stage)
                counts["left"] = max(0, tally.known() - settled)
        stages[stage] = {**counts, "seconds": round(tally.seconds[stage], 3), "events": dict(tally.outcomes[stage])}
    return {
        "workspace": storage.url,
        "epoch": newest,
        "videos": {
            "total": len(sources),
            "done": done,
            "failed": len(broken),
            "left": max(0, len(sources) - done - len(broken)),
        },
        "stages": stages,
        "failures": [asdict(failure) for failure in tally.failures.values()],
    }


def failed_sources(storage: Storage, tally: Tally) -> set[str]:
    """Return the sources that cannot be published as things stand: failed themselves, or with a failed chunk."""
    broken = set(tally.failed_sources())
    videos = {failure.video for failure in tally.failures.values() if failure.chunk >= 0}
    if videos:
        for table in manifest.read(storage, "videos", ("source", "video")):
            for source, video in zip(table["source"].to_pylist(), table["video"].to_pylist(), strict=True):
                if video in videos:
                    broken.add(source)
    return broken
