"""Flow, sample and decode without networks: decode enlarges by interpolation, the others write a few bytes.

For measuring what the pipeline around the networks costs on real videos: split and assemble are the real ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from typing import Any

from av.video.reformatter import Interpolation

from pipeline.config import RunConfig
from pipeline.executors.base import StageFactory
from pipeline.stage_factories import make_assemble, make_split
from stages.contract import Result, Stage
from stages.items import ChunkTask
from stages.media.ffv1 import PictureWriter
from stages.media.frames import FRAMES_NAME, output_format, read_pictures, read_table


class EmptyStage(Stage[ChunkTask, Result]):
    """Stands for flow or sample: writes a file of 64 bytes."""

    def __init__(self, name: str) -> None:
        self.name = name  # type: ignore[misc]

    @property
    def parameters(self) -> Mapping[str, Any]:
        """None."""
        return {}

    def run(self, task: ChunkTask) -> Result:
        """Write the file."""
        (task.output / f"{self.name}.bin").write_bytes(bytes(64))
        return Result({"frames": len(task.chunk)})


class EnlargingStage(Stage[ChunkTask, Result]):
    """Stands for decode: enlarges the frames that split wrote, one at a time."""

    name = "decode"

    def __init__(self, scale: int) -> None:
        self.scale = scale

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The factor."""
        return {"scale": self.scale}

    def run(self, task: ChunkTask) -> Result:
        """Write ``head.mkv``, ``segment.mkv`` and ``tail.mkv``, as far as they hold frames."""
        source, chunk = task.inputs["split"], task.chunk
        table = read_table(source)
        fmt = output_format(table, table.width * self.scale, table.height * self.scale)
        with ExitStack() as stack:
            names = ("head", "segment", "tail")
            head, core, tail = (stack.enter_context(PictureWriter(task.output / f"{name}.mkv", fmt)) for name in names)
            for number, picture in enumerate(read_pictures(source / FRAMES_NAME), chunk.start):
                writer = core if number in chunk.core else head if number < chunk.core.start else tail
                large = picture.reformat(
                    fmt.width, fmt.height, fmt.pix_fmt, interpolation=Interpolation.FAST_BILINEAR, threads=1
                )
                writer.put(large)
        return Result({"frames": len(chunk)})


def enlarging_stages(config: RunConfig, scale: int = 2) -> dict[str, StageFactory]:
    """Return name -> factory of all five stages."""
    return {
        "split": partial(make_split, config),
        "flow": partial(EmptyStage, "flow"),
        "sample": partial(EmptyStage, "sample"),
        "decode": partial(EnlargingStage, scale),
        "assemble": partial(make_assemble, config),
    }
