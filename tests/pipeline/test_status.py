"""What ``status`` says of the time that stages took."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path

import odd_clips
from cheap_stages import Repeat, cheap_stages

from pipeline.config import load_config
from pipeline.run import run
from pipeline.status import status
from stages.contract import Result
from stages.items import ChunkTask


class Slow(Repeat):
    """A decode that takes its time."""

    def run(self, task: ChunkTask) -> Result:
        time.sleep(1)
        return super().run(task)


def test_split_is_not_charged_for_the_stages_that_take_its_chunks(tmp_path: Path) -> None:
    (tmp_path / "library").mkdir()
    odd_clips.write_texture(tmp_path)
    odd_clips.ffmpeg(f"{odd_clips.moving(seconds=0.64)} -c:v ffv1 library/clip.mkv", tmp_path)
    config = load_config(overrides=["split.chunk_frames=6", "split.overlap_frames=1", "assemble.framemd5=false"])
    stages = {**cheap_stages(config), "decode": partial(Slow, 1)}
    assert run(config, [tmp_path / "library"], tmp_path / "restored", tmp_path / "work", stages=stages).ok
    found = status(tmp_path / "work")["stages"]
    assert found["decode"]["seconds"] > 3 > found["split"]["seconds"]
