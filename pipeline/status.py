"""The state of a workspace, folded from its manifest; works while a run is going on, and without it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import manifest
from pipeline.epoch import Epoch
from pipeline.fingerprint import CHUNK_STAGES, STAGES
from pipeline.folding import take_plain
from pipeline.forecast import PACE_SECONDS, Forecast, Pace
from pipeline.recorded import Recorded, recorded, replaced
from pipeline.schemas import DONE, FAILED
from pipeline.standing import StageStanding, seconds_left
from pipeline.storage import Storage
from pipeline.tally import Failure, Tally

_COLUMNS = [
    "epoch",
    "recorded",
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
    "facts",
]


@dataclass(slots=True)
class Fold:
    """All believed events, folded.

    Attributes:
        tally: what became of every item.
        epoch: the newest epoch among the events.
        paces: stage -> how fast that epoch makes items.
        updated: when the newest event was recorded, seconds since 1970; 0 if there is none.
        sources: what is recorded of each source; what was done to contents that none of them has any more is forgotten.
    """

    tally: Tally = field(default_factory=Tally)
    epoch: int = 0
    paces: dict[str, Pace] = field(default_factory=lambda: {stage: Pace() for stage in STAGES})
    updated: float = 0.0
    sources: dict[str, Recorded] = field(default_factory=dict)

    def note(self, table: pa.Table) -> None:
        """Take note of when a part's events were, and how fast they came."""
        if not table.num_rows:
            return
        epoch = table["epoch"][0].as_py()  # a part has one
        if epoch > self.epoch:
            self.epoch, self.paces = epoch, {stage: Pace() for stage in STAGES}
        times = np.asarray(table["recorded"].cast(pa.int64())) / 1e6
        self.updated = max(self.updated, float(times.max()))
        late = pc.and_(pa.array(times >= self.updated - PACE_SECONDS), pc.equal(table["outcome"], DONE))
        chunks = pc.greater_equal(table["chunk"], 0)
        for stage, pace in self.paces.items():
            wanted = chunks if stage in CHUNK_STAGES else pc.invert(chunks)
            found = pc.and_(late, pc.and_(wanted, pc.equal(table["stage"], stage)))
            pace.extend(times[np.asarray(found)].tolist())


def fold(storage: Storage) -> Fold:
    """Return the fold of all believed events; one part is in memory at a time."""
    folded = Fold()
    for table in manifest.read(storage, "events", _COLUMNS):
        folded.note(table)
        for values in take_plain(folded.tally, table).to_pylist():
            folded.tally.add(SimpleNamespace(**values))
    folded.sources = recorded(storage)
    forget_replaced(folded.tally, folded.sources)
    return folded


def forget_replaced(tally: Tally, sources: Mapping[str, Recorded]) -> None:
    """Forget what became of files in whose place others were put: those are to be restored."""
    for video in replaced(sources):
        tally.forget(video)
    for source, facts in sources.items():
        if facts.video:
            tally.withdraw(source, facts.video)


def status(workspace: str | Storage) -> dict[str, Any]:
    """Return the state of a workspace as plain JSON.

    ``videos``: total, done, failed, left; one that was begun anew with other settings is left until it is published
    with them. ``stages``: for each stage done, failed, left (chunks; videos for split's
    and assemble's ``standing``) and the seconds spent on it; ``left`` counts what is known: chunks of videos that are
    not split yet are unknown, but ``standing`` has an estimate of them (``expected``), and the pace.
    ``failures``: what stands failed, with attempts, class, message and traceback. ``damage``: source -> what of it
    could not be read, with timestamps, of videos that were restored all the same. ``left_out``: source -> what of it is
    not in the result. ``decoded_sound``: source -> which of its sound is kept as samples, because Matroska cannot hold
    it as it is coded. ``running``: whether a driver that began has not said that it ended. ``seconds_left``: at the
    pace of the last minutes, null if it cannot be told.
    """
    storage = workspace if isinstance(workspace, Storage) else Storage(workspace)
    folded = fold(storage)
    tally, sources = folded.tally, folded.sources
    done = tally.videos("assemble", DONE)
    broken = failed_sources(tally, sources)
    videos = {"total": len(sources), "done": done, "failed": len(broken)}
    videos["left"] = max(0, len(sources) - done - len(broken))
    stages: dict[str, Any] = {}
    for stage in STAGES:
        if stage == "assemble":
            counts = {"done": done, "failed": tally.videos("assemble", FAILED), "left": videos["left"]}
        else:
            counts = {"done": tally.done(stage), "failed": tally.failed(stage), "left": 0}
            if stage in CHUNK_STAGES:
                settled = counts["done"] + counts["failed"] + tally.lost(stage)
                counts["left"] = max(0, tally.known() - settled)
        stages[stage] = {**counts, "seconds": round(tally.seconds[stage], 3), "events": dict(tally.outcomes[stage])}
    standings = _standings(folded, len(broken))
    for standing in standings:
        stages[standing.stage]["standing"] = {**asdict(standing), "seconds_left": standing.seconds_left}
    running = Epoch.runs(storage)
    return {
        "workspace": storage.url,
        "epoch": folded.epoch,
        "running": running,
        "updated": folded.updated,
        "seconds_left": seconds_left(standings) if running else None,
        "videos": videos,
        "stages": stages,
        "failures": [
            asdict(replace(failure, source=next(iter(concerned), "")))
            for failure, concerned in standing_failures(tally, sources)
        ],
        "damage": {source: what for source, what in tally.damage.items() if tally.is_done(source)},
        "left_out": {source: what for source, what in tally.left_out.items() if tally.is_done(source)},
        "decoded_sound": {source: what for source, what in tally.decoded_sound.items() if tally.is_done(source)},
    }


def standings(state: Mapping[str, Any]) -> list[StageStanding]:
    """Return the accounts of the stages out of what ``status`` returned."""
    names = set(StageStanding.__dataclass_fields__)
    found = [state["stages"][stage]["standing"] for stage in STAGES]
    return [StageStanding(**{name: value for name, value in each.items() if name in names}) for each in found]


def standing_failures(tally: Tally, sources: Mapping[str, Recorded]) -> list[tuple[Failure, list[str]]]:
    """Return the failures that stand, each with the sources that cannot be published because of it.

    What fails of a content's chunks, fails for the sources that have it and are not published: another one may have
    been before. There is none where the manifest has lost the rows of the source.
    """
    having: dict[str, list[str]] = defaultdict(list)
    for source, facts in sources.items():
        if not tally.is_done(source):
            having[facts.video].append(source)
    known = {facts.video for facts in sources.values()}
    found = []
    for failure in tally.failures.values():
        concerned = [failure.source] if failure.source else having.get(failure.video, [])
        if concerned or failure.video not in known:
            found.append((failure, concerned))
    return found


def failed_sources(tally: Tally, sources: Mapping[str, Recorded]) -> set[str]:
    """Return the sources that cannot be published as things stand: failed themselves, or with a failed chunk."""
    concerned = (source for _, each in standing_failures(tally, sources) for source in each)
    return {*tally.failed_sources(), *concerned}


def _standings(folded: Fold, broken: int) -> list[StageStanding]:
    tally, sources = folded.tally, folded.sources
    forecast = Forecast({source: facts.size for source, facts in sources.items()})
    unsplit = [source for source, stage in tally.failed_sources().items() if stage == "split"]
    for source in unsplit:
        forecast.drop(source)
    for source, facts in sources.items():
        if facts.chunks is not None:
            forecast.split(source, facts.chunks)
    expected, found = forecast.expected(tally.known()), []
    for stage in STAGES:
        rate = folded.paces[stage].rate()
        if stage in CHUNK_STAGES:
            failed, lost = tally.failed(stage), tally.lost(stage)
            whole = None if expected is None else max(0, expected - lost)
            account = StageStanding(stage, tally.done(stage) + failed, tally.known() - lost, failed, whole, rate)
        elif stage == "split":
            done = sum(facts.chunks is not None for facts in sources.values()) + len(unsplit)
            account = StageStanding(stage, done, len(sources), len(unsplit), len(sources), rate)
        else:
            done = tally.videos("assemble", DONE) + broken
            account = StageStanding(stage, done, len(sources), broken, len(sources), rate)
        found.append(account)
    return found
