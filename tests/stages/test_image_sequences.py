"""Folders of DPX, PNG and TIFF images as videos."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from image_folders import write_header, write_images

from stages.contract import ItemError
from stages.media.frames import read_pictures
from stages.media.planes import components
from stages.media.sequence import SequenceContainer, find_sequence
from stages.media.table import read_table
from stages.split.config import SplitConfig
from stages.verification import against_fixity, against_source

Go = Callable[..., Any]


@pytest.mark.parametrize(("suffix", "pix_fmt"), [("dpx", "gbrp10le"), ("tiff", "gbrp16le"), ("png", "gbrp10le")])
def test_images_become_a_video(tmp_path: Path, go: Go, suffix: str, pix_fmt: str) -> None:
    folder = write_images(tmp_path / "a reel 100%d [x]", suffix)
    way = go(folder, name="reel", scale=1, chunk_frames=20)
    with av.open(str(way.output)) as container:
        frames = list(container.decode(video=0))
        assert {frame.format.name for frame in frames} == {pix_fmt}
        assert [round(frame.pts * frame.time_base * 24) for frame in frames] == list(range(8))
    assert against_source(way.output, folder, SplitConfig()) == []
    assert against_fixity(way.output, way.output.with_suffix(".framemd5")) == []
    account = read_table(way.task.split[-1]).account
    assert account.damage == () and account.decoded == 8


def test_samples_of_dpx_are_kept(tmp_path: Path, split: Callable[..., Any]) -> None:
    folder = write_images(tmp_path / "reel", "dpx", frames=2)
    (only,) = split(folder, chunk_frames=20)
    kept = next(iter(read_pictures(only.folder / "frames.mkv")))
    with av.open(str(sorted(folder.iterdir())[0])) as container:
        theirs = next(container.decode(video=0))
    for ours, plane in zip(components(kept), components(theirs), strict=True):
        assert np.array_equal(ours, plane)


def test_rate_and_order_and_missing_images(tmp_path: Path, go: Go) -> None:
    folder = write_images(tmp_path / "reel", "png", frames=12, name="f%d")
    (folder / "f86405.png").unlink()
    (folder / "f86406.png").unlink()
    (folder / "notes.txt").write_text("not an image")
    way = go(folder, scale=1, chunk_frames=20, sequence_rate=18)
    table = read_table(way.task.split[-1])
    assert table.rate == 18 and len(table) == 10
    assert "not read" not in way.result.facts["damage"]
    (damage,) = table.account.damage
    assert (damage.frame, damage.seconds) == (5, pytest.approx(5 / 18))
    assert damage.what == "images 86405 to 86406 (2) of the sequence are missing, the next follow without a gap"
    assert against_source(way.output, folder, SplitConfig(sequence_rate=Fraction(18))) == []


@pytest.mark.parametrize(("stated", "given", "told"), [(18.0, 24, True), (23.976, Fraction(24000, 1001), False)])
def test_time_code_goes_along_and_another_rate_in_the_images_is_told(
    tmp_path: Path, go: Go, stated: float, given: Fraction, told: bool
) -> None:
    folder = write_images(tmp_path / "reel", "dpx", frames=3)
    for number, image in enumerate(sorted(folder.iterdir())):
        write_header(image, 0x10203004 + number, stated)
    way = go(folder, scale=1, chunk_frames=20, sequence_rate=given)
    with av.open(str(way.output)) as container:
        assert container.metadata["TIMECODE"] == "10:20:30:04"
    wanted = "the images say 18 frames a second, they are shown at 24 (split.sequence_rate) at 0.000 s (frame 0)"
    assert way.result.facts["damage"] == (wanted if told else "")
    assert against_source(way.output, folder, SplitConfig(sequence_rate=given)) == []


def test_one_missing_image_is_named(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "reel", "png", frames=4)
    (folder / "reel_86401.png").unlink()
    with SequenceContainer(folder, Fraction(24)) as container:
        (damage,) = container.missing
    assert damage.what == "image 86401 of the sequence is missing, the next follow without a gap"


def test_an_image_that_is_damaged_is_named(tmp_path: Path, go: Go) -> None:
    folder = write_images(tmp_path / "reel", "png", frames=6)
    third = sorted(folder.iterdir())[2]
    third.write_bytes(third.read_bytes()[:200])
    way = go(folder, scale=1, chunk_frames=20)
    (damage, *_) = read_table(way.task.split[-1]).account.damage
    assert damage.seconds == pytest.approx(2 / 24, abs=1e-3)


@pytest.mark.parametrize("suffix", ["dpx", "png", "tiff"])
@pytest.mark.parametrize("lost", [(0,), (2, 3), (5,)])
def test_images_of_no_bytes_are_named_and_the_others_keep_their_time(
    tmp_path: Path, go: Go, suffix: str, lost: tuple[int, ...]
) -> None:
    folder = write_images(tmp_path / "reel", suffix, frames=6)
    images = sorted(folder.iterdir())
    for number in lost:
        images[number].write_bytes(b"")
    way = go(folder, scale=1, chunk_frames=20)
    table = read_table(way.task.split[-1])
    places = [round(pts * table.time_base * 24) for pts in table.pts]
    assert places == [number for number in range(6) if number not in lost]
    told = [each for each in table.account.damage if "bytes" in each.what]
    assert [each.what for each in told] == [f"image {images[number].name} has 0 bytes" for number in lost]
    assert [each.seconds for each in told] == [pytest.approx(number / 24) for number in lost]
    assert {each.frame for each in told} == {lost[0]}
    assert against_source(way.output, folder, SplitConfig()) == []


def test_a_folder_whose_images_all_have_no_bytes_is_refused(tmp_path: Path, split: Callable[..., Any]) -> None:
    folder = write_images(tmp_path / "reel", "png", frames=3)
    for image in folder.iterdir():
        image.write_bytes(b"")
    with pytest.raises(ItemError, match=r"^reel: all 3 images have 0 bytes; fetch them again from their origin$"):
        split(folder)


def test_a_sequence_that_ends_too_soon_is_told(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "reel", "png", frames=24)
    with SequenceContainer(folder, Fraction(1)) as container:
        (folder / "reel_86412.png").write_bytes(b"")  # later than FFmpeg has looked ahead, which is five seconds
        assert sum(packet.size > 0 for packet in container.demux(container.streams.video[0])) == 12
        (damage,) = container.missing
    assert (damage.frame, damage.seconds) == (12, 12.0)
    assert damage.what == "reading ends at image reel_86412.png, 12 of 24 are not read"


def test_numbers_decide_the_order_not_the_alphabet() -> None:
    names = [f"scan{n}.tif" for n in (10, 9, 2, 11, 1)]
    found = find_sequence([*names, "cover.tif", "notes1.jpg"])
    assert found is not None and found.names == ("scan1.tif", "scan2.tif", "scan9.tif", "scan10.tif", "scan11.tif")
    assert found.missing == ((2, 3, 8),) and found.conflict == ""
    assert find_sequence(["one.png", "readme.txt", "x1.jpg", "x2.jpg"]) is None


def test_what_a_mac_puts_beside_every_image_is_no_image(tmp_path: Path, go: Go) -> None:
    found = find_sequence(["._A0001.dpx", "._A0002.dpx", "._A0003.dpx", "A0001.dpx", "A0002.dpx"])
    assert found is not None and (found.names, found.conflict) == (("A0001.dpx", "A0002.dpx"), "")
    assert find_sequence(["._A0001.dpx", "._A0002.dpx"]) is None
    folder = write_images(tmp_path / "reel", "png", frames=3)
    for image in list(folder.iterdir()):
        (folder / f"._{image.name}").write_bytes(b"\0\x05\x16\x07")
    account = read_table(go(folder, scale=1, chunk_frames=20).task.split[-1]).account
    assert account.damage == () and account.decoded == 3


def test_suffixes_in_small_and_large_letters_are_one_sequence(tmp_path: Path, go: Go) -> None:
    folder = write_images(tmp_path / "reel", "png", frames=4)
    for image in sorted(folder.iterdir())[1::2]:
        image.rename(image.with_suffix(".PNG"))
    account = read_table(go(folder, scale=1, chunk_frames=20).task.split[-1]).account
    assert account.damage == () and account.decoded == 4


@pytest.mark.parametrize(
    ("names", "what"),
    [
        (
            "A1.dpx A2.dpx A3.dpx B1.dpx B2.dpx",
            r"the sequence A1\.dpx to A3\.dpx would leave out 2 of 5 .*, B1\.dpx first; move",
        ),
        (
            "A1.dpx A2.dpx A3.dpx A1.tif",
            r"the sequence A1\.dpx to A3\.dpx would leave out 1 of 4 .*, A1\.tif first; move",
        ),
        (f"A1.dpx A2.dpx A{10**18}.dpx", rf"the sequence A1\.dpx to A2\.dpx would leave out 1 of 3 .*, A{10**18}\.dpx"),
        ("A1.dpx A01.dpx A2.dpx", r"A01\.dpx and A1\.dpx have the same number; move one of them"),
        ("A1.dpx A2.dpx \udce91.dpx", r"the sequence A1\.dpx to A2\.dpx .*, \\xe91\.dpx first; move"),
        ("A1.dpx A1.DPX", r"A1\.DPX and A1\.dpx have the same number; move one of them"),
    ],
)
def test_a_folder_of_which_images_would_be_left_out_is_refused_in_one_line(
    tmp_path: Path, split: Callable[..., Any], names: str, what: str
) -> None:
    folder = tmp_path / "reel"
    folder.mkdir()
    for name in names.split():
        (folder / name).write_bytes(b"image")
    found = find_sequence(names.split())
    assert found is not None and sorted(found.names) == sorted(names.split())
    with pytest.raises(ItemError, match=f"^reel: {what}") as caught:
        split(folder)
    assert "\n" not in str(caught.value)


def test_a_folder_without_images_is_refused_in_one_line(tmp_path: Path, split: Callable[..., Any]) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ItemError, match="empty: no numbered DPX, PNG or TIFF images"):
        split(tmp_path / "empty")
