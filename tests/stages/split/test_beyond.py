"""Luma beyond black and white is counted, and told where there is much of it."""

from __future__ import annotations

from pathlib import Path

import odd_clips
import pytest

from stages.media.account import SourceAccount
from stages.split.config import SplitConfig
from stages.split.survey import survey

BARS = "geq=lum={white}*lt(X\\\\,16)+{black}*gte(X\\\\,60)+100*gte(X\\\\,16)*lt(X\\\\,60):cb=128:cr=128"
"""Of 64 columns, 16 at the left and 4 at the right."""


def account(folder: Path, words: str) -> SourceAccount:
    odd_clips.write_texture(folder)
    odd_clips.ffmpeg(f"{odd_clips.moving(seconds=0.2)},{words} -c:v ffv1 bars.mkv", folder)
    found = survey(folder / "bars.mkv", SplitConfig())
    assert found is not None
    return found.account


@pytest.mark.parametrize(
    ("pix_fmt", "white", "black"), [("yuv420p", 236, 15), ("gray", 236, 15), ("yuv422p10le", 941, 63)]
)
def test_what_is_beyond_black_and_white_is_counted(tmp_path: Path, pix_fmt: str, white: int, black: int) -> None:
    found = account(tmp_path, f"format={pix_fmt},{BARS.format(white=white, black=black)},setparams=range=tv")
    assert found.beyond == {"above white": 0.25, "below black": 0.0625}
    assert found.dropped == ("luma above white (25.0% of samples)", "luma below black (6.2% of samples)")


@pytest.mark.parametrize(
    "words",
    [
        f"format=yuv420p,{BARS.format(white=235, black=16)}",
        f"format=yuv420p,{BARS.format(white=255, black=0)},setparams=range=full",
        "format=gbrp",
    ],
)
def test_nothing_is_beyond_where_the_range_ends(tmp_path: Path, words: str) -> None:
    found = account(tmp_path, words)
    assert found.beyond == {} and found.dropped == ()
