"""Giving back the space of videos that are published: their chunks' artifacts are needed no more."""

from __future__ import annotations

from collections.abc import Iterable

from pipeline.artifacts import Artifacts
from pipeline.fingerprint import CHUNK_STAGES, Recipe
from stages.items import Chunk


def prune(artifacts: Artifacts, recipe: Recipe, sha256: str, chunks: Iterable[Chunk]) -> None:
    """Remove what split, flow, sample and decode made of a video.

    The list of chunks goes last: as long as it is there, whoever finds the video published can finish an interrupted
    removal.

    Args:
        artifacts: of the workspace.
        recipe: names the artifacts.
        sha256: of the video's content.
        chunks: all chunks of the video.
    """
    for chunk in chunks:
        prints = recipe.chunk(sha256, chunk)
        for stage in ("split", *CHUNK_STAGES):
            artifacts.remove(stage, prints[stage])
    artifacts.remove("split", recipe.plan(sha256)["split"])
