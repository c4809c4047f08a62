"""What a run would have to do: chunk-stages to make and to reuse, counted before it starts.

Counted from the manifest's chunks and from the names of the committed artifacts; no artifact is opened, so one that
turns out to be damaged is made on top. A video is published as asked if that was the last thing published of it: the
record of an earlier result stays when it is replaced.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline import manifest
from pipeline.artifacts import RECORD
from pipeline.fingerprint import STAGES, Recipe
from pipeline.published import Publication, newest
from pipeline.recorded import recorded
from pipeline.rows import SourceRow
from pipeline.storage import Storage
from stages.items import Chunk

COLUMNS = ("video", "plan", "chunk", "shot", "start", "stop", "head", "tail")


@dataclass
class Outlook:
    """How many items each stage will make or reuse: chunks, for assemble videos.

    Attributes:
        make: stage -> items to make.
        reuse: stage -> items whose artifacts are there.
        unknown: sources whose chunks are not known before they are split.
        finished: sources that are published as they would be; nothing is done for them.
        overlooked: sources that the workspace has published and the run will not touch: they are not among its inputs.
    """

    make: Counter[str] = field(default_factory=Counter)
    reuse: Counter[str] = field(default_factory=Counter)
    unknown: list[str] = field(default_factory=list)
    finished: list[str] = field(default_factory=list)
    overlooked: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return the outlook as plain JSON."""
        counts = {name: {stage: getattr(self, name)[stage] for stage in STAGES} for name in ("make", "reuse")}
        return {**counts, "unknown": self.unknown, "finished": self.finished, "overlooked": self.overlooked}

    def chunk_stages(self) -> int:
        """Number of chunk-stages to make, as far as the chunks are known."""
        return sum(count for stage, count in self.make.items() if stage != "assemble")


def outlook(storage: Storage, recipe: Recipe, sources: Sequence[SourceRow], output: str) -> Outlook:
    """Count what a run over ``sources`` will do.

    Args:
        storage: the workspace.
        recipe: names the artifacts.
        sources: as found; those whose content was hashed before and has not changed carry their SHA-256.
        output: URL of the folder that they go to.
    """
    made, latest = committed(storage, "assemble"), newest(storage)
    found = Outlook(overlooked=_overlooked(storage, latest, sources))
    plans: dict[str, str] = {}
    for source in sources:
        prints = recipe.plan(source.content, source.output) if source.content else {}
        # What a crash has kept out of the manifest is known by its record alone.
        last = latest.get(source.shown, Publication(prints.get("assemble", ""), "", output=output))
        whole = last.output in ("", output) and bytes.fromhex(last.plan) in made
        if prints and last.plan == prints["assemble"] and whole:
            found.finished.append(source.shown)
            found.reuse["assemble"] += 1
            continue
        found.make["assemble"] += 1
        if prints:
            plans[prints["split"]] = source.content
        else:
            found.unknown.append(source.shown)
    chunks = _chunks(storage, set(plans))
    for source in sources:
        plan = recipe.plan(source.content)["split"] if source.content else ""
        if plan in plans and plan not in chunks:
            found.unknown.append(source.shown)
    prints_of = [recipe.chunk(plans[plan], chunk) for plan, cut in chunks.items() for chunk in cut.values()]
    for stage in STAGES[:-1]:
        there = committed(storage, stage)
        reused = sum(bytes.fromhex(prints[stage]) in there for prints in prints_of)
        found.reuse[stage] += reused
        found.make[stage] += len(prints_of) - reused
    return found


def committed(storage: Storage, stage: str) -> set[bytes]:
    """Return the fingerprints of a stage's committed artifacts."""
    records = (name for name in storage.tree(f"artifacts/{stage}") if name.endswith(f"/{RECORD}"))
    return {bytes.fromhex(name.split("/")[-2]) for name in records}


def _overlooked(storage: Storage, latest: Mapping[str, Publication], sources: Sequence[SourceRow]) -> list[str]:
    """The published sources that are not given, nor another one in their place."""
    known, given = recorded(storage), {source.shown for source in sources}
    places = {(latest[source.shown].output, source.output) for source in sources if source.shown in latest}
    left = (source for source in latest if source in known and source not in given)
    return sorted(source for source in left if (latest[source].output, known[source].output) not in places)


def _chunks(storage: Storage, plans: set[str]) -> dict[str, dict[int, Chunk]]:
    """Split plan -> number -> chunk, of those plans that the manifest knows; a chunk's last row counts."""
    found: dict[str, dict[int, Chunk]] = {}
    for table in manifest.read(storage, "chunks", COLUMNS):
        for row in table.to_pylist():
            plan, index = row.pop("plan"), row.pop("chunk")
            if plan in plans:
                found.setdefault(plan, {})[index] = Chunk(index=index, **row)
    return found
