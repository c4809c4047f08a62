"""What pictures carry and the result does not is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import odd_clips
import pytest

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
