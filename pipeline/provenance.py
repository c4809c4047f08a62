"""The account of one restored video: what it was made from, how, by what, and what was found on the way."""

from __future__ import annotations

import json
import math
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any, TextIO

from pipeline.artifacts import Artifact
from pipeline.fingerprint import Recipe
from pipeline.fixity import ArtifactFile
from pipeline.rows import SourceRow
from pipeline.source_files import bytes_of
from pipeline.versions import version, versions
from stages.contract import Fact, ItemError
from stages.items import Chunk
from stages.media.probe import probe
from stages.media.table import read_table

FORMAT = "reelift-provenance/1"
CHUNKS = ' "chunks": ['
"""How the line begins after which an account tells of chunks."""
SIGN = "RESTORED_FROM_SHA256"
"""The tag by which a file that Reelift made is known."""
_BY_STAGE = {"device": "devices", "threads": "threads", "torch": "torch", "reduced": "reduced"}
"""Facts that several stages have of a chunk, each its own, and what they are called in the account."""


@dataclass(frozen=True, slots=True)
class Making:
    """What is known when a video has been assembled.

    Attributes:
        source: the video as found.
        local: where it can be read.
        recipe: identities of all stages.
        chunks: all of its chunks.
        tables: the folder that split wrote, for each chunk.
        records: looks up the artifacts of a chunk: stage -> artifact.
        facts: what assemble had to say.
        files: what is to be published, this account aside.
        trouble: attempts that failed, of this run.
        started: seconds since 1970 when assembly began.
        node: the machine.
    """

    source: SourceRow
    local: Path
    recipe: Recipe
    chunks: Sequence[Chunk]
    tables: Sequence[Path]
    records: Callable[[Chunk], Mapping[str, Artifact]]
    facts: Mapping[str, Fact]
    files: Sequence[ArtifactFile]
    trouble: Sequence[Mapping[str, Any]]
    started: float
    node: str


def tags(source: SourceRow) -> dict[str, str]:
    """Tags in the file itself that say what it is: they stay with it when its sidecars are lost."""
    name = Path(source.shown).name
    return {
        "RESTORATION": f"Machine-restored derivative of {name}. Its pictures were computed by Reelift {version()}; "
        "it is no substitute for its source.",
        "RESTORED_FROM": name,
        SIGN: source.sha256,
    }


def account(making: Making) -> dict[str, Any]:
    """The account as plain JSON, but for what it says of every chunk and shot: see ``write_account``."""
    identities = making.recipe.identities
    table = read_table(making.tables[-1])
    seed = next((i.parameters["seed"] for i in identities.values() if "seed" in i.parameters), None)
    return {
        "format": FORMAT,
        "statement": tags(making.source)["RESTORATION"],
        "source": {
            "place": making.source.shown,
            "name": Path(making.source.shown).name,
            "sha256": making.source.sha256,
            "bytes": bytes_of(making.source, making.local),
            "modified": making.source.version,
            **_contents(making.local),
        },
        "result": result(making.files, making.facts),
        "decisions": table.account.model_dump(mode="json") if table.account else {},
        "colour": table.colour.model_dump(mode="json"),
        "mended_timestamps": sum(read_table(folder).mended for folder in making.tables),
        "seed": seed,
        "stages": {
            name: {
                "parameters": identity.parameters,
                "revision": identity.revision,
                "weights_sha256": identity.weights,
            }
            for name, identity in identities.items()
        },
        "versions": versions(),
        "attempts_that_failed": [dict(each) for each in making.trouble],
        "made": {
            "began": moment(making.started),
            "ended": moment(datetime.now(UTC).timestamp()),
            "node": making.node,
        },
    }


def result(files: Sequence[ArtifactFile], facts: Mapping[str, Fact]) -> dict[str, Any]:
    """What an account says of the result: its files, and the facts of assemble."""
    return {"files": [{"name": file.name, "bytes": file.size, "sha256": file.sha256} for file in files], **facts}


def write_account(path: Path, told: Mapping[str, Any], making: Making) -> None:
    """Write the account as JSON, chunks and shots last, a line each; those of one chunk are in memory at a time.

    Args:
        path: the file.
        told: all the rest, see ``account``.
        making: see there.
    """
    with path.open("w", encoding="utf-8") as file, tempfile.TemporaryFile("w+", encoding="utf-8") as later:
        file.write(json.dumps(told, indent=1, ensure_ascii=False).removesuffix("\n}"))
        file.write(f",\n{CHUNKS}")
        chunk_rows, shot_rows = _Rows(file), _Rows(later)
        for shot, chunks in groupby(making.chunks, key=lambda chunk: chunk.shot):
            figures = ShotFigures(shot)
            for chunk in chunks:
                records = making.records(chunk)
                chunk_rows.write(_chunk(chunk, records))
                figures.add(chunk, records)
            if figures.frames:
                shot_rows.write(figures.told())
        file.write('],\n "shots": [')
        later.seek(0)
        shutil.copyfileobj(later, file)
        file.write("]\n}\n")


class _Rows:
    """The rows of a list in JSON, a line each."""

    def __init__(self, file: TextIO) -> None:
        self._file, self._comma = file, ""

    def write(self, row: Mapping[str, Any]) -> None:
        self._file.write(f"{self._comma}\n  {json.dumps(row, ensure_ascii=False)}")
        self._comma = ","


def moment(seconds: float) -> str:
    """Seconds since 1970 as accounts have them."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def _contents(path: Path) -> dict[str, Any]:
    try:
        facts = probe(path)
    except ItemError:
        return {}
    return {
        "container": facts.format,
        "video": {
            "codec": facts.codec,
            "width": facts.width,
            "height": facts.height,
            "pixel_format": facts.pix_fmt,
            "rate": str(facts.rate),
            "sample_aspect_ratio": str(facts.sar),
        },
        "streams": [
            {"index": each.index, "type": each.type, "codec": each.codec, "language": each.language}
            for each in facts.streams
        ],
    }


class ShotFigures:
    """The figures of decode for one shot: means over its frames, the worst of maps, a flag if any chunk has one.

    Attributes:
        frames: of the chunks that have figures, shared ones counted twice.
    """

    def __init__(self, shot: int) -> None:
        self.frames = 0
        self._shot, self._first, self._end = shot, 0, 0
        self._sums = dict.fromkeys(("downscale_db", "ciede2000", "sharpness_gain"), 0.0)
        self._least = math.inf
        self._maps: dict[str, list[list[float]]] = {}
        self._flagged = False

    def add(self, chunk: Chunk, records: Mapping[str, Artifact]) -> None:
        """Add a chunk of the shot, the next in order, if decode has figures of it."""
        facts = records["decode"].facts if "decode" in records else {}
        if "ciede2000" not in facts:
            return
        self._first, self._end = self._first if self.frames else chunk.start, chunk.stop
        self.frames += len(chunk)
        for name in self._sums:
            self._sums[name] += len(chunk) * float(facts[name])
        self._least = min(self._least, float(facts["downscale_db_worst"]))
        for name in ("residual", "beyond_source"):
            cells = [[float(cell) for cell in row.split()] for row in str(facts[name]).split(";")]
            self._maps[name] = _worst(cells, self._maps.get(name, cells))
        self._flagged |= bool(facts["flagged"])

    def told(self) -> dict[str, Any]:
        """The figures as plain JSON."""
        means = {name: round(total / self.frames, 3) for name, total in self._sums.items()}
        return {
            "shot": self._shot,
            "first_frame": self._first,
            "end_frame": self._end,
            "downscale_db": means["downscale_db"],
            "downscale_db_worst": self._least,
            "ciede2000": means["ciede2000"],
            "sharpness_gain": means["sharpness_gain"],
            "residual_percent": self._maps["residual"],
            "beyond_source_percent": self._maps["beyond_source"],
            "flagged": self._flagged,
        }


def _worst(one: list[list[float]], other: list[list[float]]) -> list[list[float]]:
    return [[max(cells) for cells in zip(*rows, strict=True)] for rows in zip(one, other, strict=True)]


def _chunk(chunk: Chunk, records: Mapping[str, Artifact]) -> dict[str, Any]:
    return {
        "index": chunk.index,
        "shot": chunk.shot,
        "first_frame": chunk.start,
        "end_frame": chunk.stop,
        "shared_before": chunk.head,
        "shared_after": chunk.tail,
        "artifacts": {stage: record.fingerprint for stage, record in records.items()},
        "figures": {
            name: value for record in records.values() for name, value in record.facts.items() if name not in _BY_STAGE
        },
        **{
            key: {stage: record.facts[name] for stage, record in records.items() if name in record.facts}
            for name, key in _BY_STAGE.items()
        },
    }
