"""Stages that cost next to nothing: the real split and assemble around a decode that only repeats samples."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.config import RunConfig
from pipeline.executors.base import StageFactory
from pipeline.stage_factories import make_assemble, make_split
from stages.contract import Result, Stage
from stages.items import ChunkTask
from stages.media.frames import FrameWriter, output_format, read_frames, read_table


class Nothing(Stage[ChunkTask, Result]):
    """In the place of flow or sample: writes a file with a word in it."""

    def __init__(self, name: str) -> None:
        self.name = name  # type: ignore[misc]

    @property
    def parameters(self) -> Mapping[str, Any]:
        return {"seed": 42}

    def run(self, task: ChunkTask) -> Result:
        (task.output / "word").write_text(self.name)
        return Result()


class Repeat(Stage[ChunkTask, Result]):
    """In the place of decode: every sample ``scale`` times across and down."""

    name = "decode"

    def __init__(self, scale: int, failures: Path | None = None) -> None:
        self.scale, self.failures = scale, failures

    @property
    def parameters(self) -> Mapping[str, Any]:
        return {"scale": self.scale}

    def run(self, task: ChunkTask) -> Result:
        if self.failures is not None and not self.failures.exists():
            self.failures.touch()
            raise RuntimeError("out of luck")
        chunk, split = task.chunk, task.inputs["split"]
        table = read_table(split)
        fmt = output_format(table, table.width * self.scale, table.height * self.scale)
        with (
            FrameWriter(task.output / "head.mkv", fmt) as head,
            FrameWriter(task.output / "segment.mkv", fmt) as core,
            FrameWriter(task.output / "tail.mkv", fmt) as tail,
        ):
            for number, frame in enumerate(read_frames(split), chunk.start):
                writer = core if number in chunk.core else head if number < chunk.core.start else tail
                writer.write(frame.repeat(self.scale, 0).repeat(self.scale, 1))
        return Result({"frames": len(chunk)})


def cheap_stages(config: RunConfig, scale: int = 1, failures: Path | None = None) -> Mapping[str, StageFactory]:
    """Factories for ``pipeline.run.run``; the first chunk fails once if there is a place to remember it."""
    return {
        "split": partial(make_split, config),
        "flow": partial(Nothing, "flow"),
        "sample": partial(Nothing, "sample"),
        "decode": partial(Repeat, scale, failures),
        "assemble": partial(make_assemble, config),
    }
