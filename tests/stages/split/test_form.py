"""Streams whose shape or colour changes on the way: what most frames have counts, and the others are told of."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import odd_clips
import pytest

from stages.contract import ItemError
from stages.items import SplitChunk
from stages.media.frames import read_frames
from stages.media.table import FrameTable, read_table

Split = Callable[..., list[SplitChunk]]
SD = "setparams=colorspace=bt470bg:color_primaries=bt470bg:color_trc=bt470bg:range=tv"
HD = "setparams=colorspace=bt709:color_primaries=bt709:color_trc=bt709:range=tv"
RED = (200 / 255, 40 / 255, 30 / 255)


def red(size: str, matrix: str, frames: int, tags: str) -> str:
    paint = f"-f lavfi -i color=0xc8281e:size={size}:rate=25 -frames:v {frames}"
    return f"{paint} -vf scale=out_color_matrix={matrix}:out_range=tv,format=yuv420p,{tags} -c:v mpeg2video -q:v 1"


def joined(folder: Path, *parts: str) -> Path:
    """Streams one after the other, as a tape has them."""
    odd_clips.write_texture(folder)
    path = folder / "tape.ts"
    with path.open("wb") as tape:
        for part in parts:
            odd_clips.ffmpeg(f"{part} -f mpegts part.ts", folder)
            tape.write((folder / "part.ts").read_bytes())
    return path


def whole(source: Path, split: Split, **wishes: object) -> tuple[Path, FrameTable]:
    """The folder and the table of a video that is one chunk."""
    (only,) = split(source, chunk_frames=100, detect_cuts=False, **wishes)
    assert only.folder is not None
    return only.folder, read_table(only.folder)


def test_colour_is_that_of_most_frames_and_the_others_are_converted(tmp_path: Path, split: Split) -> None:
    source = joined(tmp_path, red("32x576", "bt470bg", 5, SD), red("32x720", "bt709", 12, HD))
    folder, table = whole(source, split)
    assert (table.height, table.colour.matrix, table.colour.primaries, table.colour.transfer) == (720, 1, 1, 1)
    assert table.account is not None and table.account.matrix == "tagged BT709"
    assert [each.form for each in table.account.resized] == [
        "32x576 yuv420p, BT470BG, limited range, primaries 5, transfer 5"
    ]
    assert "primaries 5 and transfer 5 are tagged primaries 1 and transfer 1 like most" in str(table.account.damage[0])
    for frame in read_frames(folder):
        assert frame.mean((0, 1)) == pytest.approx(RED, abs=0.02)


@pytest.mark.parametrize("policy", ["progressive", "deinterlace"])
def test_colour_of_one_size_is_converted_too(tmp_path: Path, split: Split, policy: str) -> None:
    source = joined(tmp_path, red("64x64", "bt709", 4, HD), red("64x64", "bt470bg", 9, SD))
    folder, table = whole(source, split, deinterlace=policy)
    assert table.colour.matrix == 5
    for frame in read_frames(folder):
        assert frame.mean((0, 1)) == pytest.approx(RED, abs=0.02)


def test_frames_without_tags_are_as_the_others_of_their_size(tmp_path: Path, split: Split) -> None:
    source = joined(tmp_path, red("64x64", "bt709", 9, "null"), red("64x64", "bt709", 4, HD))
    folder, table = whole(source, split)
    assert (table.colour.matrix, table.colour.primaries) == (1, 1)
    assert table.account is not None and not table.account.resized
    for frame in read_frames(folder):
        assert frame.mean((0, 1)) == pytest.approx(RED, abs=0.02)


def shaped(aspect: str, frames: int) -> str:
    return f"{odd_clips.moving(seconds=frames / 25, height=64)} -aspect {aspect} -c:v mpeg2video -b:v 4M"


def test_shape_is_that_of_most_frames_and_the_others_are_told_of(tmp_path: Path, split: Split) -> None:
    _, table = whole(joined(tmp_path, shaped("4:3", 5), shaped("16:9", 20), shaped("4:3", 5)), split)
    assert table.sar == Fraction(16, 9)
    account = table.account
    assert account is not None and account.decoded == 30
    assert [(each.start, each.stop) for each in account.resized] == [(0, 5), (25, 30)]
    assert {each.form for each in account.resized} == {"64x64 yuv420p, samples of 4:3"}
    (told,) = account.damage
    assert str(told).startswith("10 frames in 2 places of 1.33:1 in shape are shown as 1.78:1 like most (to keep it")
    assert told.frame == 0


def test_dv_says_its_shape_frame_by_frame(tmp_path: Path, split: Split) -> None:
    odd_clips.write_texture(tmp_path)
    source = tmp_path / "tape.dv"
    for aspect, frames in (("4:3", 3), ("16:9", 5)):
        clip = f"{odd_clips.moving(seconds=frames / 25)},scale=720:576 -aspect {aspect} -c:v dvvideo part.dv"
        odd_clips.ffmpeg(clip, tmp_path)
        with source.open("ab") as tape:
            tape.write((tmp_path / "part.dv").read_bytes())
    _, table = whole(source, split)
    assert table.sar == Fraction(64, 45) and table.account is not None
    assert [(each.start, each.stop) for each in table.account.resized] == [(0, 3)]


def test_the_shape_that_a_container_gives_counts_for_all(tmp_path: Path, split: Split) -> None:
    odd_clips.write_texture(tmp_path)
    odd_clips.ffmpeg(f"{shaped('4:3', 5)} plain.mkv", tmp_path)
    odd_clips.ffmpeg("-i plain.mkv -c copy -aspect 16:9 wide.mkv", tmp_path)
    _, table = whole(tmp_path / "wide.mkv", split)
    assert table.sar == Fraction(16, 9) and table.account is not None and not table.account.resized


def test_a_matrix_that_is_none_is_refused_with_the_name_of_the_file(tmp_path: Path, split: Split) -> None:
    odd_clips.write_texture(tmp_path)
    clip = f"{odd_clips.moving(seconds=0.2)},setparams=colorspace={{}} -c:v libx264"
    source = joined(tmp_path, clip.format("bt709"), clip.format("ictcp"))
    with pytest.raises(ItemError, match=r"tape\.ts: colour matrix 14"):
        whole(source, split)
