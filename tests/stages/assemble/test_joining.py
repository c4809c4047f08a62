"""What the packets of a finished video are made of, where a part of it is not as it must be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stages.assemble.joining import AssemblyError, Joiner, stream_format
from stages.media.frames import PictureWriter, read_pictures

ClipMaker = Callable[..., Path]
Go = Callable[..., Any]


@pytest.mark.parametrize("name", ["head.mkv", "tail.mkv"])
@pytest.mark.parametrize("frames", [1, 3])
def test_an_overlap_that_has_more_or_fewer_frames_on_one_side_is_found(
    clip: ClipMaker, go: Go, name: str, frames: int
) -> None:
    way = go(clip("a.mkv", frames=9))
    assert [chunk.head for chunk in way.task.chunks[:2]] == [0, 2]
    damaged = way.task.decode[1 if name == "head.mkv" else 0] / name
    pictures = list(read_pictures(damaged))
    damaged.unlink()
    with PictureWriter(damaged, stream_format(way.task)) as writer:
        for number in range(frames):
            writer.put(pictures[number % 2])
    with pytest.raises(AssemblyError, match=rf"{name}: does not hold the 2 frames of its overlap; decode the chunk"):
        list(Joiner(way.task, stream_format(way.task)))
