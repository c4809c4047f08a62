"""The picture that shows an input and its restoration side by side."""

from __future__ import annotations

import contextlib
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from jobs.comparison import side_by_side
from stages.contract import ItemError


def grey(path: Path, levels: list[int], rate: Fraction, size: int = 32) -> Path:
    """Write a clip of frames of one grey each."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=rate)
        stream.width, stream.height, stream.pix_fmt = size, size, "yuv420p"
        for number, level in enumerate(levels):
            frame = av.VideoFrame.from_ndarray(np.full((size, size, 3), level, np.uint8), format="rgb24")
            frame = frame.reformat(format="yuv420p")
            frame.pts, frame.time_base = number, 1 / rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def halves(picture: Path) -> tuple[int, int]:
    """The greys of the lower left and right corner."""
    drawn = cv2.imread(str(picture))
    return int(drawn[-4, 4].mean()), int(drawn[-4, -4].mean())


@pytest.mark.parametrize("frame", [0, 5, 12])
def test_both_sides_show_the_same_moment_also_where_frames_were_left_out(tmp_path: Path, frame: int) -> None:
    # Inverse telecine leaves four frames of five.
    video = grey(tmp_path / "video.mkv", [50 + 10 * (n // 5) for n in range(30)], Fraction(30000, 1001))
    film = grey(tmp_path / "film.mkv", [50 + 10 * (n // 4) for n in range(24)], Fraction(24000, 1001), 64)
    side_by_side(video, film, tmp_path / "picture.png", frame)
    left, right = halves(tmp_path / "picture.png")
    assert right == pytest.approx(50 + 10 * (frame // 4), abs=3) and left == pytest.approx(right, abs=2)


def test_a_frame_that_is_not_there_is_named(tmp_path: Path) -> None:
    clip = grey(tmp_path / "clip.mkv", [50, 60], Fraction(25))
    with pytest.raises(ValueError, match=r"clip\.mkv: has no frame 2"):
        side_by_side(clip, clip, tmp_path / "picture.png", 2)


def test_a_colon_in_the_name_of_a_folder_is_no_protocol(tmp_path: Path) -> None:
    folder = tmp_path / "sample:12:30"
    folder.mkdir()
    clip = grey(folder / "clip.mkv", [50, 60], Fraction(25))
    for place in (folder, Path("sample:12:30")):
        with contextlib.chdir(tmp_path):
            side_by_side(place / "clip.mkv", clip, place / "picture.png", 1)
            assert halves(folder / "picture.png")[0] == pytest.approx(60, abs=3)
            (folder / "picture.png").unlink()


def test_what_a_file_names_is_not_fetched(tmp_path: Path) -> None:
    clip = grey(tmp_path / "clip.mkv", [50, 60], Fraction(25))
    playlist = tmp_path / "playlist.mkv"
    playlist.write_text(f"ffconcat version 1.0\nfile {clip.name}\n")
    with pytest.raises(ItemError, match=r"playlist\.mkv: cannot be opened as a video"):
        side_by_side(playlist, clip, tmp_path / "picture.png", 0)
