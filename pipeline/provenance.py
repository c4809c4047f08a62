"""The account of one restored video: what it was made from, how, by what, and what was found on the way."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.artifacts import Artifact, ArtifactFile
from pipeline.fingerprint import Recipe
from pipeline.rows import SourceRow
from pipeline.versions import version, versions
from stages.contract import Fact, ItemError
from stages.items import Chunk
from stages.media.probe import probe
from stages.media.table import read_table

FORMAT = "reelift-provenance/1"


@dataclass(frozen=True, slots=True)
class Making:
    """What is known when a video has been assembled.

    Attributes:
        source: the video as found.
        local: where it can be read.
        recipe: identities of all stages.
        chunks: all of its chunks.
        tables: the folder that split wrote, for each chunk.
        records: for each chunk, stage -> its artifact.
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
    records: Sequence[Mapping[str, Artifact]]
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
        "RESTORED_FROM_SHA256": source.sha256,
    }


def account(making: Making) -> dict[str, Any]:
    """The account as plain JSON."""
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
            "bytes": making.source.size,
            "modified": making.source.version,
            **_contents(making.local),
        },
        "result": {
            "files": [{"name": file.name, "bytes": file.size, "sha256": file.sha256} for file in making.files],
            **dict(making.facts),
        },
        "decisions": table.account.model_dump(mode="json") if table.account else {},
        "colour": table.colour.model_dump(mode="json"),
        "mended_timestamps": sum(read_table(folder).mended for folder in making.tables),
        "seed": seed,
        "stages": {
            name: {"parameters": identity.parameters, "weights_sha256": identity.weights}
            for name, identity in identities.items()
        },
        "versions": versions(),
        "chunks": [_chunk(chunk, records) for chunk, records in zip(making.chunks, making.records, strict=True)],
        "shots": shot_figures(making.chunks, making.records),
        "attempts_that_failed": [dict(each) for each in making.trouble],
        "made": {
            "began": _moment(making.started),
            "ended": _moment(datetime.now(UTC).timestamp()),
            "node": making.node,
        },
    }


def to_json(value: Mapping[str, Any]) -> bytes:
    """The account as it is written."""
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()


def _moment(seconds: float) -> str:
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


def shot_figures(chunks: Sequence[Chunk], records: Sequence[Mapping[str, Artifact]]) -> list[dict[str, Any]]:
    """The figures of decode by shot: means over its frames, the worst of maps, a flag if any chunk has one."""
    shots: dict[int, list[tuple[Chunk, Mapping[str, Fact]]]] = {}
    for chunk, made in zip(chunks, records, strict=True):
        if "decode" in made and "ciede2000" in made["decode"].facts:
            shots.setdefault(chunk.shot, []).append((chunk, made["decode"].facts))
    return [_shot(number, parts) for number, parts in shots.items()]


def _shot(number: int, parts: Sequence[tuple[Chunk, Mapping[str, Fact]]]) -> dict[str, Any]:
    frames = sum(len(chunk) for chunk, _ in parts)

    def mean(name: str) -> float:
        return round(sum(len(chunk) * float(facts[name]) for chunk, facts in parts) / frames, 3)

    def worst(name: str) -> list[list[float]]:
        maps = [[[float(cell) for cell in row.split()] for row in str(facts[name]).split(";")] for _, facts in parts]
        return [[max(cells) for cells in zip(*rows, strict=True)] for rows in zip(*maps, strict=True)]

    return {
        "shot": number,
        "first_frame": parts[0][0].start,
        "end_frame": parts[-1][0].stop,
        "downscale_db": mean("downscale_db"),
        "downscale_db_worst": min(float(facts["downscale_db_worst"]) for _, facts in parts),
        "ciede2000": mean("ciede2000"),
        "sharpness_gain": mean("sharpness_gain"),
        "residual_percent": worst("residual"),
        "beyond_source_percent": worst("beyond_source"),
        "flagged": any(bool(facts["flagged"]) for _, facts in parts),
    }


def _chunk(chunk: Chunk, records: Mapping[str, Artifact]) -> dict[str, Any]:
    return {
        "index": chunk.index,
        "shot": chunk.shot,
        "first_frame": chunk.start,
        "end_frame": chunk.stop,
        "shared_before": chunk.head,
        "shared_after": chunk.tail,
        "artifacts": {stage: record.fingerprint for stage, record in records.items()},
        "figures": {name: value for record in records.values() for name, value in record.facts.items()},
    }
