"""What pictures carry and the result does not is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import odd_clips
import pytest
from caption_bytes import with_active_format

from stages.assemble import AssembleConfig

MASTERING = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1)"
HDR = f"-c:v libx265 -x265-params log-level=none:hdr10=1:master-display={MASTERING}:max-cll=1000,400"


MASK = "format=rgba,geq=r=r(X\\\\,Y):g=g(X\\\\,Y):b=b(X\\\\,Y):a=255*lt(X\\\\,32)"
PALETTE = "split[a][b];[a]palettegen[p];[b][p]paletteuse"
HOLE = f"{MASK},{PALETTE}"
"""A palette, and nothing at the right."""


@pytest.mark.parametrize(
    ("name", "words", "dropped"),
    [
        ("alpha.mov", "format=yuva444p10le -c:v prores_ks -profile:v 4444", "alpha"),
        ("alpha.webm", "format=yuva420p -c:v libvpx-vp9 -deadline realtime", "alpha"),
        ("grey.mov", "format=ya16be -c:v png", "alpha"),
        ("hdr.mkv", f"format=yuv420p10le {HDR}", "MaxCLL and MaxFALL, mastering display (SMPTE ST 2086)"),
        ("plain.mkv", "format=yuv420p -c:v ffv1", ""),
        ("palette.mov", "format=gray -c:v qtrle", ""),
        ("palette.gif", PALETTE, ""),
        ("hole.gif", HOLE, "alpha"),
        ("hole.apng", f"{HOLE} -f apng", "alpha"),
    ],
)
def test_alpha_and_metadata_of_hdr_are_told(
    tmp_path: Path, go: Callable[..., Any], name: str, words: str, dropped: str
) -> None:
    odd_clips.write_texture(tmp_path)
    odd_clips.ffmpeg(f"{odd_clips.moving(seconds=0.2)},{words} {name}", tmp_path)
    way = go(tmp_path / name, scale=1, chunk_frames=20)
    assert way.result.facts["left_out"] == dropped


def test_metadata_that_has_no_place_in_the_result_is_told(tmp_path: Path, go: Callable[..., Any]) -> None:
    odd_clips.write_texture(tmp_path)
    packed = "-c:v libx264 -x264-params frame-packing=3"
    odd_clips.ffmpeg(f"{odd_clips.moving(seconds=0.2)} {packed} packed.mkv", tmp_path)
    assert go(tmp_path / "packed.mkv", scale=1).result.facts["left_out"] == "stereo 3D arrangement"
    odd_clips.ffmpeg(
        f"{odd_clips.moving(seconds=0.2)} -c:v ffv1 -metadata:s:v stereo_mode=left_right kept.mkv", tmp_path
    )
    way = go(tmp_path / "kept.mkv", scale=1)
    assert way.result.facts["left_out"] == "" and tags(way.output)["stereo_mode"] == "left_right"
    odd_clips.ffmpeg(f"{odd_clips.moving(seconds=0.2)} -c:v mpeg2video afd.m2v", tmp_path)
    with_active_format(tmp_path / "afd.m2v")
    assert go(tmp_path / "afd.m2v", scale=1).result.facts["left_out"] == "active format description (AFD)"


def tags(path: Path) -> dict[str, str]:
    with av.open(str(path)) as container:
        return {key.lower(): value for key, value in container.streams.video[0].metadata.items()}


@pytest.mark.parametrize(("start", "lost"), [("10:11:12:13", "time code of the pictures"), ("00:00:00:00", "")])
def test_a_time_code_that_only_the_pictures_carry_is_told(
    tmp_path: Path, go: Callable[..., Any], start: str, lost: str
) -> None:
    odd_clips.write_texture(tmp_path)
    words = f"{odd_clips.moving(seconds=0.4)} -c:v mpeg2video -gop_timecode {start}"
    odd_clips.ffmpeg(f"{words} gop.m2v", tmp_path)
    assert go(tmp_path / "gop.m2v", scale=1).result.facts["left_out"] == lost
    odd_clips.ffmpeg(f"{words} -timecode 01:02:03:04 gop.mxf", tmp_path)
    assert go(tmp_path / "gop.mxf", scale=1).result.facts["left_out"] == ""


def test_the_reel_of_a_time_code_track_goes_along(tmp_path: Path, go: Callable[..., Any]) -> None:
    odd_clips.write_texture(tmp_path)
    words = f"{odd_clips.moving(seconds=0.2)} -c:v mpeg4 -timecode 10:11:12:13 -metadata:s:v reel_name=R7 reel.mov"
    odd_clips.ffmpeg(words, tmp_path)
    way = go(tmp_path / "reel.mov", scale=1, assemble=AssembleConfig(derivatives=({"kind": "prores"},)))
    assert tags(way.output)["reel_name"] == "R7"
    with av.open(str(way.output.with_name("reel.prores.mov"))) as container:
        assert next(each for each in container.streams if each.type == "data").metadata["reel_name"] == "R7"


def test_the_title_of_a_cover_goes_along(tmp_path: Path, go: Callable[..., Any]) -> None:
    odd_clips.write_texture(tmp_path)
    cover = "-attach texture.png -metadata:s:t mimetype=image/png -metadata:s:t title=Plakat"
    odd_clips.ffmpeg(f"{odd_clips.moving(seconds=0.2)} -c:v ffv1 {cover} cover.mkv", tmp_path)
    with av.open(str(go(tmp_path / "cover.mkv", scale=1).output)) as container:
        assert container.streams.video[1].metadata["title"] == "Plakat"
