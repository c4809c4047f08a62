"""What travels between stages and to the driver: small rows, references and facts, never frames.

A row crosses process borders as a dict of one JSON text, so that nothing is pickled and all rows fit one schema.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from pipeline.fingerprint import content_of
from stages.items import Chunk


@dataclass(frozen=True, slots=True)
class SourceRow:
    """A video as found.

    Attributes:
        url: local path or fsspec URL, as the file system wants it (may hold credentials; never recorded).
        shown: the same without credentials; names the source in the manifest.
        output: where it is published: path below the output folder, without suffix.
        size: bytes; -1 if it could not be found.
        version: modification time or ETag.
        sha256: of the content, "" if not known yet.
        first: False on a second pass, for a source whose content was another source's too.
        images: whether it is a folder of images, which has no rate of its own.
    """

    url: str
    shown: str
    output: str
    size: int
    version: str
    sha256: str = ""
    first: bool = True
    images: bool = False

    @property
    def content(self) -> str:
        """What a recipe knows the content by, "" if it is not known yet."""
        return content_of(self.sha256, self.images) if self.sha256 else ""


@dataclass(frozen=True, slots=True)
class ChunkRow:
    """A chunk on its way; ``failed`` names the stage that gave it up, "" while all is well.

    ``content``: see ``SourceRow``.
    """

    source: str
    content: str
    chunk: Chunk
    failed: str = ""


@dataclass(frozen=True, slots=True)
class VideoRow:
    """Split has no more to say about a source.

    ``state``: "split" (``chunks`` of them were sent), "finished" (published before, nothing to do), "lacking"
    (published before, without all its derivatives), "failed", or "duplicate" (another source of this run has the same
    content; to be sent again when that one is done).
    """

    source: SourceRow
    state: str
    chunks: int = 0


@dataclass(frozen=True, slots=True)
class AssembleRow:
    """A video all of whose chunks are restored; ``trouble`` are the attempts at it that failed on the way.

    Without chunks it is one that is published, and lacks derivatives.
    """

    source: SourceRow
    chunks: tuple[Chunk, ...]
    trouble: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class DoneRow:
    """The end of a video: ``state`` is "done", "reused", "failed", or "left" (not begun, because the run stops)."""

    source: str
    state: str


@dataclass(frozen=True, slots=True)
class FatalRow:
    """Something that ends the whole run, in one line: a set-up that fails (``setup``), or a full disk, say."""

    message: str
    setup: bool = False


@dataclass(frozen=True, slots=True)
class AgainRow:
    """An answer without a result: another worker shall take the row. ``tried``: this one failed at it. ``spent``: this
    worker takes no rows any more, and shall be replaced."""

    tried: bool = True
    spent: bool = False


Row = SourceRow | ChunkRow | VideoRow | AssembleRow | DoneRow | FatalRow | AgainRow
_KINDS: dict[str, Any] = {
    kind.__name__: kind for kind in (SourceRow, ChunkRow, VideoRow, AssembleRow, DoneRow, FatalRow, AgainRow)
}


def pack(row: Row) -> dict[str, str]:
    """Return the row as it travels."""
    return {"kind": type(row).__name__, "row": json.dumps(asdict(row))}


def unpack(packed: dict[str, Any]) -> Row:
    """Return the row that ``pack`` packed."""
    values = json.loads(str(packed["row"]))
    if isinstance(values.get("source"), dict):
        values["source"] = SourceRow(**values["source"])
    if "chunk" in values:
        values["chunk"] = Chunk(**values["chunk"])
    if isinstance(values.get("chunks"), list):
        values["chunks"] = tuple(Chunk(**chunk) for chunk in values["chunks"])
    if "trouble" in values:
        values["trouble"] = tuple(values["trouble"])
    row: Row = _KINDS[str(packed["kind"])](**values)
    return row


def source_of(row: Row) -> str:
    """The source that a row is about; "" if it is about none."""
    source = getattr(row, "source", "")
    return source.shown if isinstance(source, SourceRow) else str(source)
