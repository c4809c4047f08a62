"""What earlier runs recorded of the sources, so that nothing is read again to know it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pipeline import manifest
from pipeline.rows import SourceRow
from pipeline.storage import Storage


@dataclass(slots=True)
class Recorded:
    """What the manifest says of a source.

    Attributes:
        size, version: of the file when it was hashed; -1 and "" if it never was.
        sha256: of its content.
        chunks: how many it was cut into, None if that is not known.
    """

    size: int = -1
    version: str = ""
    sha256: str = ""
    chunks: int | None = None


def recorded(storage: Storage, sources: Sequence[SourceRow]) -> dict[str, Recorded]:
    """Return what earlier runs recorded of these sources."""
    wanted = {source.shown for source in sources}
    known: dict[str, Recorded] = {}
    columns = ("source", "size", "version", "sha256", "chunks")
    for table in manifest.read(storage, "videos", columns):
        for source, size, version, sha256, chunks in zip(*(table[name].to_pylist() for name in columns), strict=True):
            if source in wanted:
                facts = known.setdefault(source, Recorded())
                if sha256:
                    facts.size, facts.version, facts.sha256 = size, version, sha256
                facts.chunks = facts.chunks if chunks is None else chunks
    return known


def remember(storage: Storage, sources: Sequence[SourceRow]) -> list[SourceRow]:
    """Fill in the content's SHA-256 of sources that were hashed before and have not changed since."""
    return identified(recorded(storage, sources), sources)


def identified(known: Mapping[str, Recorded], sources: Sequence[SourceRow]) -> list[SourceRow]:
    """Fill in the content's SHA-256 of sources that were hashed before and have not changed since."""
    found = []
    for source in sources:
        facts = known.get(source.shown, Recorded())
        same = source.version and (facts.size, facts.version) == (source.size, source.version)
        found.append(replace(source, sha256=facts.sha256) if same else source)
    return found
