"""Giving back the space of videos that are published: their chunks' artifacts are needed no more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.compute as pc

from pipeline import manifest
from pipeline.artifacts import Artifacts
from pipeline.fingerprint import CHUNK_STAGES, Recipe
from pipeline.outlook import committed
from pipeline.status import fold
from pipeline.storage import Storage
from pipeline.tally import GOOD
from stages.items import Chunk

_STAGES = ("split", *CHUNK_STAGES)


def prune(artifacts: Artifacts, recipe: Recipe, content: str, chunks: Iterable[Chunk]) -> None:
    """Remove what split, flow, sample and decode made of a video.

    The list of chunks goes last: as long as it is there, whoever finds the video published can finish an interrupted
    removal.

    Args:
        artifacts: of the workspace.
        recipe: names the artifacts.
        content: the video's, see ``SourceRow``.
        chunks: all chunks of the video.
    """
    for chunk in chunks:
        prints = recipe.chunk(content, chunk)
        for stage in _STAGES:
            artifacts.remove(stage, prints[stage])
    artifacts.remove("split", recipe.plan(content)["split"])


def prune_superseded(artifacts: Artifacts) -> None:
    """Remove what was made, with whatever settings, of videos that are published, or whose place another file has now.

    Such are left where a run with other settings was begun and not finished, or when artifacts were kept before. What
    the manifest does not tell of, since a crash kept its row back, stays.

    Args:
        artifacts: of the workspace; nobody else is at work on it.

    Raises:
        StorageError, OSError: if the manifest cannot be read, or an artifact not be removed.
    """
    storage = artifacts.storage
    there = {stage: found for stage in _STAGES if (found := committed(storage, stage))}
    if not there:
        return
    folded = fold(storage)
    wanted = {facts.video for source, facts in folded.sources.items() if not folded.tally.is_done(source)}
    for stage, fingerprint in _made_of_others(storage, wanted):
        if bytes.fromhex(fingerprint) in there.get(stage, ()):
            artifacts.remove(stage, fingerprint)
            there[stage].remove(bytes.fromhex(fingerprint))


def _made_of_others(storage: Storage, wanted: set[str]) -> Iterator[tuple[str, str]]:
    """Yield stage and name of what was made of all contents but these: of chunks, and the lists of chunks."""
    for table in manifest.read(storage, "events", ("stage", "outcome", "video", "chunk", "plan", "fingerprint")):
        good = pc.and_(pc.is_in(table["outcome"], pa.array(GOOD)), pc.is_in(table["stage"], pa.array(_STAGES)))
        for row in table.filter(good).to_pylist():
            if row["video"] not in wanted:
                yield row["stage"], row["fingerprint"] if row["chunk"] >= 0 else row["plan"]
