"""What earlier runs recorded of the sources, so that nothing is read again to know it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pipeline import manifest
from pipeline.places import is_local
from pipeline.rows import SourceRow
from pipeline.storage import Storage


@dataclass(slots=True)
class Recorded:
    """What the manifest says of a source.

    Attributes:
        output: path below the output folder.
        size, version: of the file when it was hashed; bytes as found, and "", if it never was.
        sha256: of its content.
        video: the content's identity, "" if it was never hashed.
        chunks: how many it was cut into, None if that is not known.
        before: identities of the contents that it had earlier.
    """

    output: str = ""
    size: int = 0
    version: str = ""
    sha256: str = ""
    video: str = ""
    chunks: int | None = None
    before: tuple[str, ...] = ()


_COLUMNS = ("source", "output", "size", "version", "sha256", "video", "chunks")


def recorded(storage: Storage, sources: Sequence[SourceRow] | None = None) -> dict[str, Recorded]:
    """Return what earlier runs recorded of these sources; None: of all."""
    wanted = None if sources is None else {source.shown for source in sources}
    known: dict[str, Recorded] = {}
    for table in manifest.read(storage, "videos", _COLUMNS):
        for source, output, size, version, sha256, video, chunks in zip(
            *(table[name].to_pylist() for name in _COLUMNS), strict=True
        ):
            if wanted is not None and source not in wanted:
                continue
            facts = known.setdefault(source, Recorded())
            facts.output = output
            if sha256 or not facts.sha256:
                if facts.video not in ("", video):
                    facts.before, facts.chunks = (*facts.before, facts.video), None
                # Some servers say no size, and then it is known only of what was downloaded.
                facts.size = size or (facts.size if sha256 == facts.sha256 else 0)
                facts.version, facts.sha256, facts.video = version, sha256, video
            facts.chunks = facts.chunks if chunks is None else chunks
    return known


def replaced(known: Mapping[str, Recorded]) -> set[str]:
    """Return the identities of contents that no source has any more: another file was put in the place of theirs."""
    return {video for facts in known.values() for video in facts.before} - {facts.video for facts in known.values()}


def remember(storage: Storage, sources: Sequence[SourceRow]) -> list[SourceRow]:
    """Fill in the content's SHA-256 of sources that were hashed before and have not changed since."""
    return identified(recorded(storage, sources), sources)


def identified(known: Mapping[str, Recorded], sources: Sequence[SourceRow]) -> list[SourceRow]:
    """Fill in the content's SHA-256 of sources that were hashed before and have not changed since."""
    found = []
    for source in sources:
        facts = known.get(source.shown, Recorded())
        unsaid = not source.size and not is_local(source.url)
        same = source.version and facts.version == source.version and (unsaid or facts.size == source.size)
        found.append(replace(source, sha256=facts.sha256) if same else source)
    return found
