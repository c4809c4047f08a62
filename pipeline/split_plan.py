"""The split plan of a video: the list of its chunks, a plain file one can read, as an artifact of its own."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from pipeline.artifacts import Artifacts
from pipeline.fixity import describe
from stages.items import Chunk

PLAN = "chunks.json"


def commit_plan(artifacts: Artifacts, fingerprint: str, chunks: Sequence[Chunk], scratch: Path) -> None:
    """Commit the plan of a video of which all chunks are committed; written into ``scratch``, an empty folder, first.

    Raises:
        StorageError, OSError: see ``Artifacts``.
    """
    text = "[\n" + ",\n".join(json.dumps(asdict(chunk)) for chunk in chunks) + "\n]\n"
    (scratch / PLAN).write_text(text)
    existing = artifacts.lookup("split", fingerprint)
    if existing and existing.files != describe(scratch):
        # An older version of a library cut this video elsewhere; what was just committed is what counts.
        artifacts.remove("split", fingerprint)
    artifacts.commit("split", fingerprint, scratch, {"chunks": len(chunks)})


def whole_plan(artifacts: Artifacts, fingerprint: str, own: Callable[[Chunk], str]) -> list[Chunk] | None:
    """Return a video's chunks if the plan and all of them are committed and whole; ``own``: fingerprint of a chunk.

    Raises:
        StorageError, OSError: see ``Artifacts``.
    """
    if artifacts.lookup("split", fingerprint) is None:
        return None
    chunks = read_plan(artifacts, fingerprint)
    # All are looked up, also after the first that is missing: what is damaged must be reported and removed.
    missing = [chunk for chunk in chunks if artifacts.lookup("split", own(chunk)) is None]
    return None if missing else chunks


def read_plan(artifacts: Artifacts, fingerprint: str) -> list[Chunk]:
    """Return the chunks of a plan that is committed.

    Raises:
        FileNotFoundError, OSError: see ``Artifacts.fetch``.
    """
    folder = artifacts.fetch("split", fingerprint)
    chunks = [Chunk(**chunk) for chunk in json.loads((folder / PLAN).read_text())]
    artifacts.release(folder)
    return chunks
