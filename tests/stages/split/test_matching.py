"""Telecined pictures of every format give back the film to the bit; those deinterlaced keep one field to the bit."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import odd_clips
import pytest

from stages.media.planes import components, layout
from stages.split.config import SplitConfig
from stages.split.source import read_source
from stages.split.timestamps import Stamp
from stages.split.treatment import Deinterlacer, FilmRestorer

PULLDOWN = [(0, 0), (1, 1), (1, 2), (2, 3), (3, 3)]
FORMATS = ["yuv420p", "yuv410p", "yuv422p10le", "yuva444p12le", "yuv420p16le", "gray", "gray10le", "bgr0", "gbrap12le"]


def film(number: int, pix_fmt: str) -> av.VideoFrame:
    """A smooth pattern that moves, with noise in its lowest bits."""
    picture, bits = av.VideoFrame(97, 65, pix_fmt), layout(pix_fmt).bits
    picture.time_base = Fraction(1001, 30000)
    noise = np.random.default_rng(number)
    for channel, samples in enumerate(components(picture)):
        y, x = np.mgrid[0 : samples.shape[0], 0 : samples.shape[1]]
        wave = (0.5 + 0.4 * np.sin((x + 7 * number) / 9 + channel) * np.cos(y / 11)) * (2**bits - 8)
        samples[...] = wave.astype(int) + noise.integers(0, 2 if bits == 8 else 4, samples.shape)
    return picture


def woven(top: int, bottom: int, pix_fmt: str) -> av.VideoFrame:
    picture = film(top, pix_fmt)
    for samples, others in zip(components(picture), components(film(bottom, pix_fmt)), strict=True):
        samples[1::2] = others[1::2]
    return picture


def telecined(cycles: int, pix_fmt: str) -> Iterator[av.VideoFrame]:
    for cycle in range(cycles):
        yield from (woven(4 * cycle + top, 4 * cycle + bottom, pix_fmt) for top, bottom in PULLDOWN)


def same(one: av.VideoFrame, other: av.VideoFrame) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(components(one), components(other), strict=True))


@pytest.mark.parametrize("pix_fmt", FORMATS)
def test_the_film_comes_back_to_the_bit(pix_fmt: str) -> None:
    restorer, found = FilmRestorer("tff"), []
    for number, picture in enumerate(telecined(4, pix_fmt)):
        found += restorer.add(picture, Stamp(number, 1, False))
    found += restorer.finish()
    assert [picture.format.name for picture, _ in found] == [pix_fmt] * 16
    assert all(same(picture, film(number, pix_fmt)) for number, (picture, _) in enumerate(found))


def test_numbers_that_go_round_and_clips_of_one_picture_lose_none() -> None:
    for count in (1, 2, 4, 300):
        restorer = FilmRestorer("tff")
        pictures = [film(number % 8, "yuv420p") for number in range(count)]
        found = [each for n, picture in enumerate(pictures) for each in restorer.add(picture, Stamp(n, 1, False))]
        found += restorer.finish()
        assert len(found) == count // 5 * 4 + count % 5
        assert all(later.pts > earlier.pts for (_, earlier), (_, later) in pairwise(found))


def test_what_stays_combed_is_deinterlaced() -> None:
    """Every field of another picture: no neighbour has the one that belongs to it."""
    pictures = [woven(5 * number, 5 * number + 60, "yuv422p10le") for number in range(4)]
    restorer = FilmRestorer("tff")
    found = [each for n, picture in enumerate(pictures) for each in restorer.add(picture, Stamp(n, 1, False))]
    for picture, (made, _) in zip(pictures, [*found, *restorer.finish()], strict=True):
        before, after = components(picture)[0], components(made)[0]
        assert np.array_equal(before[::2], after[::2]) and not np.array_equal(before[1::2], after[1::2])


@pytest.mark.parametrize("pix_fmt", FORMATS)
def test_a_deinterlaced_picture_keeps_its_first_field_to_the_bit(pix_fmt: str) -> None:
    deinterlacer, pictures = Deinterlacer("tff"), list(telecined(1, pix_fmt))
    found = [each for n, picture in enumerate(pictures) for each in deinterlacer.add(picture, Stamp(n, 1, False))]
    for picture, (made, _) in zip(pictures, [*found, *deinterlacer.finish()], strict=True):
        for before, after in zip(components(picture), components(made), strict=True):
            assert np.array_equal(before[::2], after[::2])


@pytest.mark.parametrize("policy", ["auto", "ivtc"])
def test_a_capture_of_10_bits_gives_back_film_of_10_bits(tmp_path: Path, policy: str) -> None:
    odd_clips.write_texture(tmp_path)
    deep = f"{odd_clips.moving('24000/1001', 2)},format=yuv422p10le,gblur=0.8"
    odd_clips.ffmpeg(f"{deep},telecine=first_field=top:pattern=23 -c:v v210 tape.mov", tmp_path)
    odd_clips.ffmpeg(f"{deep} -c:v ffv1 film.mkv", tmp_path)
    with read_source(tmp_path / "tape.mov", SplitConfig(deinterlace=policy)) as reader:
        found = [picture for picture, _ in reader]
    with av.open(str(tmp_path / "film.mkv")) as container:
        wanted = list(container.decode(video=0))
    assert len(found) == len(wanted) == 48
    assert sum(same(a, b) for a, b in zip(found, wanted, strict=True)) == 48
    lowest = np.bincount(np.concatenate([components(picture)[0].ravel() & 3 for picture in found]), minlength=4)
    assert lowest.min() > lowest.sum() / 8
