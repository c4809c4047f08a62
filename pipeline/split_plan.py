"""The split plan of a video: the list of its chunks, a plain file one can read, as an artifact of its own."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from pipeline.artifacts import Artifacts
from pipeline.faults import line
from pipeline.fixity import describe, unread
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
    chunks = read_plan(artifacts, fingerprint)
    if chunks is None:
        return None
    # All are looked up, also after the first that is missing: what is damaged must be reported and removed.
    missing = [chunk for chunk in chunks if artifacts.lookup("split", own(chunk)) is None]
    return None if missing else chunks


def read_plan(artifacts: Artifacts, fingerprint: str) -> list[Chunk] | None:
    """Return the chunks of a plan that is committed and whole, None if there is none; a damaged one is reported.

    Raises:
        StorageError, OSError: see ``Artifacts``.
    """
    if artifacts.lookup("split", fingerprint) is None:
        return None
    folder = artifacts.fetch("split", fingerprint)
    try:
        chunks = [Chunk(**chunk) for chunk in json.loads((folder / PLAN).read_text())]
    except OSError as error:  # where the look-up compares sizes alone
        artifacts.discard("split", fingerprint, f"{PLAN} {unread(artifacts.storage, error)}")
        return None
    except (ValueError, TypeError) as error:
        artifacts.discard("split", fingerprint, f"{PLAN} is no list of chunks ({line(error)})")
        return None
    finally:
        artifacts.release(folder)
    return chunks
