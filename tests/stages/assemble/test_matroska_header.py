from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import pytest

from stages.assemble.matroska_header import TrackFacts, amend_tracks, display_size

ClipMaker = Callable[..., Path]


@pytest.mark.parametrize(
    ("size", "sar", "expected"),
    [
        ((720, 576), Fraction(1), None),
        ((720, 576), Fraction(16, 15), (768, 576)),
        ((720, 576), Fraction(59, 54), (885, 648)),
        ((720, 480), Fraction(10, 11), (660, 484)),
        ((2880, 1920), Fraction(10, 11), (2625, 1925)),
        ((2880, 1920), Fraction(40, 33), (3500, 1925)),
        ((719, 479), Fraction(10, 11), (7190, 5269)),
    ],
)
def test_display_size(size: tuple[int, int], sar: Fraction, expected: tuple[int, int] | None) -> None:
    found = display_size(*size, sar)
    assert found == expected
    if found is not None:
        assert Fraction(found[0] * size[1], found[1] * size[0]) == sar


@pytest.mark.parametrize("width", [1, 100, 300, 70000, 2**31])
def test_header_keeps_its_length(clip: ClipMaker, width: int) -> None:
    source = clip("a.mkv", frames=3, audio=("pcm_s16le",))
    before = source.read_bytes()
    amend_tracks(source, {0: TrackFacts(display=(width, 3)), 1: TrackFacts(codec_delay=width)})
    after = source.read_bytes()
    assert len(after) == len(before) and after != before
    with av.open(str(source), options={"err_detect": "crccheck+explode"}) as container:
        assert len([p for p in container.demux(video=0) if p.size]) == 3
        assert container.streams.video[0].sample_aspect_ratio == Fraction(width * 48, 3 * 64) or width > 70000


def test_header_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.mkv"
    path.write_bytes(b"\x1a\x45\xdf\xa3\x80")
    with pytest.raises(RuntimeError, match="no Matroska segment"):
        amend_tracks(path, {})
