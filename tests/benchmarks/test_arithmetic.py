"""What a stage multiplies is counted, stage by stage, per frame of its chunk."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks import arithmetic
from benchmarks.arithmetic import operations, still
from pipeline.config import RunConfig
from pipeline.executors.base import StageFactory
from pipeline.stage_factories import make_split
from stages.contract import Result, Stage
from stages.items import ChunkTask

FRAMES = 14


class Multiplying(Stage[ChunkTask, Result]):
    """A product and a convolution of ``side`` rows and columns, once for every frame."""

    def __init__(self, name: str, side: int) -> None:
        self.name, self.side = name, side  # type: ignore[misc]

    @property
    def parameters(self) -> Mapping[str, Any]:
        return {}

    @torch.inference_mode()
    def run(self, task: ChunkTask) -> Result:
        square = torch.ones(self.side, self.side)
        for _ in range(len(task.chunk)):
            torch.nn.functional.conv2d((square @ square)[None, None], torch.ones(2, 1, 3, 3), padding=1)
        return Result({})


def test_products_and_convolutions_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def factories(config: RunConfig) -> dict[str, StageFactory]:
        sides = {"flow": 2, "sample": 8, "decode": 4}
        return {"split": partial(make_split, config)} | {
            name: partial(Multiplying, name, side) for name, side in sides.items()
        }

    monkeypatch.setattr(arithmetic, "stage_factories", factories)
    still(tmp_path / "clip.mkv", 32, 24, FRAMES)
    config = RunConfig.model_validate({"split": {"chunk_frames": FRAMES}})
    found = operations(config, tmp_path / "clip.mkv", tmp_path)
    assert found == {side: 2 * n**3 + 2 * 9 * 2 * n**2 for side, n in (("flow", 2), ("sample", 8), ("decode", 4))}
