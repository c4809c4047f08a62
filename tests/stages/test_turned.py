"""Pictures that a player turns and mirrors: the master is shown as the source is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import odd_clips
import pytest
from numpy.typing import NDArray

from stages.assemble import AssembleConfig
from stages.media.table import read_table

Go = Callable[..., Any]


def shown(path: Path) -> NDArray[np.uint8]:
    """The first picture as ffmpeg shows it, grey, in a square of 64."""
    odd_clips.ffmpeg(f"-i {path} -vf pad=64:64,format=gray -frames:v 1 -f rawvideo shown.raw", path.parent)
    return np.fromfile(path.parent / "shown.raw", np.uint8).reshape(64, 64)


@pytest.mark.parametrize(
    ("turn", "mirrored"),
    [
        ("-display_hflip", True),
        ("-display_vflip", True),
        ("-display_hflip -display_vflip", False),
        *((f"-display_rotation {degrees}", False) for degrees in (90, 180, -90)),
        *((f"-display_rotation {degrees} -display_hflip", True) for degrees in (90, 180, -90)),
        ("-display_rotation 90 -display_vflip", True),
    ],
)
def test_a_turned_picture_is_shown_as_it_was(tmp_path: Path, go: Go, turn: str, mirrored: bool) -> None:
    odd_clips.write_texture(tmp_path)
    source = tmp_path / "plain.mp4"
    odd_clips.ffmpeg(f"{odd_clips.moving(seconds=0.2)} -c:v libx264 {source.name}", tmp_path)
    plain = shown(source)
    odd_clips.again(turn)(source)
    wanted = shown(source)
    assert np.abs(wanted.astype(int) - plain).mean() > 5
    way = go(source, scale=1, assemble=AssembleConfig(derivatives=({"kind": "h264", "quality": 1},)))
    assert read_table(way.task.split[0]).mirrored == mirrored
    for path in (way.output, way.output.with_name("plain.h264.mp4")):
        assert np.abs(wanted.astype(int) - shown(path)).max() <= 6


def test_an_upright_picture_stays_upright(tmp_path: Path, go: Go) -> None:
    way = go(odd_clips.make("sar.mkv", tmp_path), scale=1)
    table = read_table(way.task.split[0])
    assert (table.rotation, table.mirrored) == (0, False)
