"""Pictures of which a player shows a part: the master is shown as the source is, and loses nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import odd_clips
import pytest
from apertures import clean_aperture
from numpy.typing import NDArray

from stages.assemble import AssembleConfig
from stages.media.cropping import Crop, crop_of
from stages.verification import against_fixity

Go = Callable[..., Any]


def shown(path: Path, words: str = "") -> NDArray[np.uint8]:
    """The first picture as ffmpeg shows it, grey."""
    odd_clips.ffmpeg(f"{words} -i {path} -vf format=gray -frames:v 1 -f yuv4mpegpipe shown.y4m", path.parent)
    with av.open(str(path.with_name("shown.y4m"))) as container:
        return next(container.decode(video=0)).to_ndarray(format="gray")


def test_columns_that_the_codec_crops_are_not_in_the_picture(tmp_path: Path, go: Go) -> None:
    odd_clips.write_texture(tmp_path)
    source = tmp_path / "cropped.mp4"
    crop = "-bsf:v h264_metadata=crop_left=8:crop_right=14:crop_top=4:crop_bottom=6"
    odd_clips.ffmpeg(f"{odd_clips.moving(seconds=0.2)} -c:v libx264 {crop} {source.name}", tmp_path)
    wanted = shown(source)
    assert wanted.shape == (48 - 4 - 6, 64 - 8 - 14)
    found = shown(go(source, scale=1).output)
    assert found.shape == wanted.shape
    assert np.abs(found.astype(int) - wanted).max() <= 1


def clipped(path: Path) -> Path:
    """A video of 64x48 of which a player shows 40x36, from column 8 and row 10."""
    odd_clips.write_texture(path.parent)
    filters = ",setsar=16/15" if "wide" in path.name else ""
    odd_clips.ffmpeg(f"{odd_clips.moving(seconds=0.2)}{filters} -c:v mpeg4 -q:v 2 {path.stem}.mov", path.parent)
    clean_aperture(40, 36, -4, 4)(path.with_suffix(".mov"))
    return path.with_suffix(".mov")


@pytest.mark.parametrize("name", ["plain", "wide"])
@pytest.mark.parametrize("scale", [1, 2])
def test_the_clean_aperture_is_kept(tmp_path: Path, go: Go, name: str, scale: int) -> None:
    source = clipped(tmp_path / name)
    with av.open(str(source)) as container:
        assert crop_of(container, 0) == Crop(left=8, right=16, top=10, bottom=2)
        shape = container.streams.video[0].sample_aspect_ratio
    way = go(source, scale=scale)
    with av.open(str(way.output), options={"err_detect": "crccheck+explode"}) as container:
        picture = next(container.decode(video=0))
        assert (picture.width, picture.height) == (64 * scale, 48 * scale)  # all of it is there
        assert crop_of(container, 0) == Crop(8 * scale, 16 * scale, 10 * scale, 2 * scale)
        assert (container.streams.video[0].sample_aspect_ratio or 1) == shape
        assert "title" not in container.streams.video[0].metadata
    wanted, found = shown(source), shown(way.output)[::scale, ::scale]
    assert wanted.shape == found.shape
    assert np.abs(wanted.astype(int) - found).max() <= 2
    assert against_fixity(way.output, way.output.with_suffix(".framemd5")) == []


def test_a_name_stays_beside_a_clean_aperture_and_derivatives_show_the_whole_picture(tmp_path: Path, go: Go) -> None:
    source = clipped(tmp_path / "named")
    odd_clips.again("", "-metadata:s:v title=Rolle -f matroska")(source)
    way = go(source, scale=1, assemble=AssembleConfig(derivatives=({"kind": "h264"},)))
    with av.open(str(way.output)) as container:
        assert crop_of(container, 0) == Crop(left=8, right=16, top=10, bottom=2)
        assert container.streams.video[0].metadata["title"] == "Rolle"
    assert shown(way.output.with_name("named.h264.mp4")).shape == (48, 64)
