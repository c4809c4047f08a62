"""What assemble's wrapper keeps in memory of a video's chunks: the names of their folders, not their accounts."""

from __future__ import annotations

import gc
import json
import tracemalloc
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from pipeline.artifacts import Artifact, Artifacts
from pipeline.fingerprint import INPUTS, Identity, Recipe
from pipeline.job import Job
from pipeline.rows import AssembleRow
from pipeline.sources import expand
from pipeline.storage import Storage
from pipeline.wrap_assemble import AssembleWorker
from stages.contract import Fact, Result, Stage
from stages.items import AssembleTask, Chunk
from stages.media.account import SourceAccount
from stages.media.colour import ColourTags, Matrix, Range
from stages.media.table import FrameTable, write_table

A_CHUNK = 1300
"""Bytes of Python's own, the names of two folders aside."""
MORE = 600
SIZES = {"few": (100, 1), "many": (100 + MORE, 1), "cut": (100 + MORE, 100 + MORE)}
MAP = ";".join(" ".join(["12.5"] * 8) for _ in range(6))
FIGURES: dict[str, Fact] = {"downscale_db": 40.0, "downscale_db_worst": 38.5, "ciede2000": 1.25, "sharpness_gain": 1.5}
FIGURES |= {"residual": MAP, "beyond_source": MAP, "flagged": False, "device": "cpu", "reduced": "decode.tile: 64"}
PARAMETERS = {"provenance": True, "seed": 1}


class Joining(Stage[AssembleTask, Result]):
    """In the place of assemble: writes a word."""

    name = "assemble"

    @property
    def parameters(self) -> Mapping[str, Any]:
        return PARAMETERS

    def run(self, task: AssembleTask) -> Result:
        (task.output / f"{task.name}.mkv").write_text("a video")
        return Result({"frames": len(task.chunks)})


class AsCommitted(Artifacts):
    """A workspace that has every artifact of every chunk: one folder, and records that are made when asked for."""

    def __init__(self, storage: Storage, folder: Path) -> None:
        super().__init__(storage, folder)
        self.folders = folder / "split"

    def record(self, stage: str, fingerprint: str) -> Artifact | None:
        if stage == "assemble":
            return super().record(stage, fingerprint)
        return Artifact(
            stage, fingerprint, (), json.loads(json.dumps(FIGURES if stage == "decode" else {"device": "cpu"}))
        )

    def fetch(self, stage: str, fingerprint: str) -> Path:
        return self.folders  # one for all: names of their own are interned by Python, in a table that grows by leaps


def table() -> FrameTable:
    return FrameTable(
        first=0,
        time_base=Fraction(1, 25),
        pts=(0,),
        durations=(1,),
        width=64,
        height=48,
        pix_fmt="yuv420p",
        rate=Fraction(25),
        colour=ColourTags(matrix=Matrix.BT709, range=Range.LIMITED),
        mended=1,
        account=SourceAccount(decoded=1, form="64x48 yuv420p"),
    )


def assembled(root: Path, chunks: int, shots: int) -> int:
    """Peak of Python's memory in bytes while a video of so many chunks is assembled, its account included."""
    (root / "split").mkdir(parents=True)
    write_table(root / "split", table())
    source = root / "film.mkv"
    source.write_text("a film")
    recipe = Recipe({stage: Identity(stage, PARAMETERS, "") for stage in ("split", *INPUTS, "assemble")})
    job = Job(str(root / "work"), str(root / "restored"), 1, recipe)
    worker = AssembleWorker(Joining(), job, lambda records: None)
    worker.artifacts = AsCommitted(worker.artifacts.storage, root)
    row = replace(expand([source])[0], sha256="0" * 64)
    made = tuple(Chunk("0" * 16, index, index * shots // chunks, index, index + 1) for index in range(chunks))
    gc.freeze()  # so that what was there before does not put off the collection of what is left
    gc.collect()
    tracemalloc.start()
    try:
        assert worker.run(AssembleRow(row, made)).state == "done"
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        gc.unfreeze()


def test_it_hardly_grows_with_the_length_of_the_video(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.fixity.BLOCK", 1 << 16)  # files are hashed in blocks larger than these
    assembled(tmp_path / "once", 5, 1)  # what is made once
    few, many, cut = (assembled(tmp_path / name, *size) for name, size in SIZES.items())
    assert many - few < MORE * A_CHUNK, f"{(many - few) / MORE:.0f} bytes a chunk of one shot"
    assert cut - few < MORE * A_CHUNK, f"{(cut - few) / MORE:.0f} bytes a chunk that is a shot"
    told = json.loads((tmp_path / "cut" / "restored" / "film.provenance.json").read_text())
    assert len(told["chunks"]) == len(told["shots"]) == told["mended_timestamps"] == SIZES["cut"][1]
    assert told["chunks"][7]["devices"] == {"split": "cpu", "flow": "cpu", "sample": "cpu", "decode": "cpu"}
    assert told["chunks"][7]["reduced"] == {"decode": "decode.tile: 64"}
