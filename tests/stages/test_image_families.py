"""Sequences whose images are not all R'G'B', grey or Y'CbCr: a leader of another colour family before the rest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import odd_clips
import pytest

from stages.media.colour import ColourTags, Matrix, Range
from stages.media.ffv1 import repack
from stages.media.frames import read_frames, rgb_from_picture
from stages.media.table import read_table

SD = ColourTags(matrix=Matrix.SMPTE170M, range=Range.LIMITED)
FULL = ColourTags(matrix=Matrix.SMPTE170M, range=Range.FULL)
RGB = ColourTags(matrix=Matrix.RGB, range=Range.FULL)
MEANING = {"rgb24": RGB, "rgb48le": RGB, "gray": FULL, "gray16le": FULL, "yuv444p": SD}


def mixed(folder: Path, suffix: str, first: str, others: str) -> Path:
    """Five images of the moving texture, the first in another pixel format than the others."""
    folder.mkdir()
    odd_clips.write_texture(folder)
    for pix_fmt in (others, first):
        frames = 1 if pix_fmt == first else 5
        words = f"{odd_clips.moving('24', frames / 24)},format={pix_fmt} -f image2 -start_number 0 reel_%02d.{suffix}"
        odd_clips.ffmpeg(words, folder)
    (folder / "texture.png").unlink()
    return folder


def true_colours(image: Path, meaning: ColourTags) -> np.ndarray:
    with av.open(str(image)) as container:
        return rgb_from_picture(repack(next(container.decode(video=0))), meaning)


@pytest.mark.parametrize(
    ("suffix", "first", "others"),
    [
        ("png", "gray", "rgb24"),
        ("png", "rgb24", "gray"),
        ("tiff", "gray16le", "rgb48le"),
        ("tiff", "rgb24", "yuv444p"),
        ("tiff", "gray", "yuv444p"),
        ("tiff", "yuv444p", "rgb24"),
        ("tiff", "yuv444p", "gray"),
    ],
)
def test_colour_is_that_of_the_form_to_which_frames_are_brought(
    tmp_path: Path, split: Callable[..., Any], suffix: str, first: str, others: str
) -> None:
    folder = mixed(tmp_path / "reel", suffix, first, others)
    (only,) = split(folder, chunk_frames=20, detect_cuts=False)
    table = read_table(only.folder)
    assert (table.colour.matrix, table.colour.range) == (MEANING[others].matrix, MEANING[others].range)
    (changed,) = table.account.resized
    assert (changed.start, changed.stop) == (0, 1)
    assert ("R'G'B'" in table.account.matrix) == (MEANING[others] is RGB)
    leader, *found = read_frames(only.folder)
    images = sorted(folder.iterdir())
    for frame, image in zip(found, images[1:], strict=True):
        assert np.abs(frame - true_colours(image, MEANING[others])).max() < 1e-3
    wanted = true_colours(images[0], MEANING[first])
    if others.startswith("gray"):
        wanted = wanted @ np.array([0.299, 0.587, 0.114], np.float32)
        leader = leader[..., 0]
    assert np.abs(leader - wanted).mean() < 0.005
