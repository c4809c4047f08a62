from __future__ import annotations

import hashlib
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from stages.items import Chunk, SplitChunk
from stages.media.frames import read_frames, read_pictures, read_table
from stages.media.planes import components
from stages.split import stage as stage_module
from stages.split.timestamps import Stamp
from stages.split.treatment import Deinterlacer

ClipMaker = Callable[..., Path]
Split = Callable[..., list[SplitChunk]]


def digests(pictures: list[av.VideoFrame]) -> list[str]:
    return [hashlib.md5(b"".join(np.ascontiguousarray(p) for p in components(f))).hexdigest() for f in pictures]


def decoded(path: Path) -> list[av.VideoFrame]:
    with av.open(str(path)) as container:
        return list(container.decode(video=0))


def owned(chunks: list[SplitChunk], read: Callable[[Path], list[object]]) -> list[object]:
    """What ``read`` finds in each chunk's folder, for the frames up to its tail and after its head."""
    found = []
    for c in chunks:
        assert c.folder is not None
        found += read(c.folder)[: len(c.chunk) - c.chunk.tail]
    return found


@pytest.mark.parametrize("frames", [1, 2, 6, 7, 13])
@pytest.mark.parametrize("size", [(64, 48), (175, 143)])
def test_frames_are_kept_bit_for_bit(clip: ClipMaker, split: Split, frames: int, size: tuple[int, int]) -> None:
    source = clip("a.mkv", frames=frames, size=size)
    chunks = split(source)
    assert chunks[-1].chunk.stop == frames
    for c in chunks:
        assert c.folder is not None
        kept = digests(list(read_pictures(c.folder / "frames.mkv")))
        assert kept == digests(decoded(source))[c.chunk.start : c.chunk.stop]
        assert len(list(read_frames(c.folder))) == len(c.chunk)


@pytest.mark.parametrize(
    ("name", "wishes"),
    [
        ("ntsc.mov", {"rate": Fraction(30000, 1001), "codec": "mpeg4"}),
        ("bframes.mp4", {"codec": "libx264", "options": (("bf", "2"),), "frames": 20}),
        ("vfr.mkv", {"times": [0, 40, 81, 200, 210, 400, 433, 1000, 1001, 1500]}),
        ("dvd.mpg", {"codec": "mpeg2video", "options": (("bf", "2"),), "frames": 15}),
        ("capture.ts", {"codec": "mpeg2video", "options": (("bf", "2"),), "frames": 15}),
    ],
)
def test_timestamps_are_the_sources(clip: ClipMaker, split: Split, name: str, wishes: dict[str, object]) -> None:
    source = clip(name, **wishes)
    expected = [frame.pts * frame.time_base for frame in decoded(source)]
    assert len(expected) == wishes.get("frames", 10)

    def times(folder: Path) -> list[object]:
        table = read_table(folder)
        assert table.mended == 0
        return [pts * table.time_base for pts in table.pts]

    assert owned(split(source), times) == expected


def test_durations_of_variable_rate(clip: ClipMaker, split: Split) -> None:
    source = clip("vfr.mkv", frames=4, times=[0, 40, 100, 105])
    (only,) = split(source)
    assert only.folder is not None
    assert read_table(only.folder).durations[:3] == (40, 60, 5)


def test_avi_without_presentation_times(clip: ClipMaker, split: Split) -> None:
    source = clip("old.avi", codec="mpeg4", options=(("bf", "2"),), frames=11)
    chunks = split(source)
    assert owned(chunks, lambda folder: list(read_table(folder).pts)) == list(range(11))


@pytest.mark.parametrize(
    ("codec", "options"),
    [
        ("libx264", (("bf", "0"), ("g", "12"))),
        ("libx264", (("bf", "3"), ("g", "12"))),
        ("mpeg4", (("bf", "2"), ("g", "12"))),
        ("mpeg2video", (("bf", "2"), ("g", "12"))),
    ],
)
def test_an_avi_that_begins_between_key_frames_keeps_its_times(
    clip: ClipMaker, split: Split, codec: str, options: tuple[tuple[str, str], ...]
) -> None:
    whole, cut = clip("whole.avi", codec=codec, options=options, frames=30), 5
    source = whole.with_name("cut.avi")
    with av.open(str(whole)) as before, av.open(str(source), "w") as after:
        stream = after.add_stream_from_template(before.streams.video[0])
        for packet in list(before.demux(video=0))[cut:-1]:
            packet.stream, packet.dts = stream, packet.dts - cut
            packet.pts = packet.dts
            after.mux(packet)
    shown = digests(decoded(whole))
    kept, times = [], []
    for c in split(source, chunk_frames=40):
        assert c.folder is not None
        kept += digests(list(read_pictures(c.folder / "frames.mkv")))
        times += read_table(c.folder).pts
    assert 12 < len(kept) < 25
    found = [(time, shown.index(picture) - cut) for time, picture in zip(times, kept, strict=True) if picture in shown]
    assert len(found) > 12 and all(time == expected for time, expected in found)


@pytest.mark.parametrize("rate", [Fraction(25), Fraction(50), Fraction(30000, 1001)])
@pytest.mark.parametrize(
    ("name", "wishes"),
    [
        ("raw.h264", {"codec": "libx264"}),
        ("raw.hevc", {"codec": "libx265", "options": (("x265-params", "log-level=none"),)}),
    ],
)
def test_raw_stream_gets_times_from_its_rate(
    clip: ClipMaker, split: Split, name: str, wishes: dict[str, object], rate: Fraction
) -> None:
    (only,) = split(clip(name, frames=4, rate=rate, **wishes))
    assert only.folder is not None
    table = read_table(only.folder)
    assert table.mended == 4 and table.rate == rate
    assert [pts * table.time_base for pts in table.pts] == [n / rate for n in range(4)]


@pytest.mark.parametrize("detector", ["adaptive", "content"])
def test_cuts_bound_chunks(clip: ClipMaker, split: Split, detector: str) -> None:
    source = clip("cuts.mkv", frames=30, cuts=(7, 21))
    chunks = [c.chunk for c in split(source, detector=detector)]
    assert [chunk.start for chunk in chunks if chunk.head == 0] == [0, 7, 21]
    assert [chunk.shot for chunk in chunks if chunk.head == 0] == [0, 1, 2]
    assert {c.chunk.shot for c in split(source, detect_cuts=False)} == {0}


def test_unwanted_chunks_leave_nothing(clip: ClipMaker, split: Split) -> None:
    source = clip("a.mkv", frames=14)
    asked: list[Chunk] = []

    def wanted(chunk: Chunk) -> bool:
        asked.append(chunk)
        return chunk.index == 1

    chunks = split(source, wanted)
    assert [c.chunk for c in chunks] == asked and len(asked) == 3
    assert [c.folder is None for c in chunks] == [True, False, True]


def test_two_runs_give_the_same_bytes(clip: ClipMaker, split: Split) -> None:
    source = clip("a.mkv", frames=9)
    for first, second in zip(split(source), split(source), strict=True):
        assert first.folder is not None and second.folder is not None
        for name in ("frames.mkv", "frames.json"):
            assert (first.folder / name).read_bytes() == (second.folder / name).read_bytes()


def test_truncated_video_gives_what_is_there(clip: ClipMaker, split: Split) -> None:
    source = clip("whole.avi", codec="mpeg4", frames=12)
    with av.open(str(source)) as container:
        end = [packet.pos for packet in container.demux(video=0) if packet.size][8]
    source.write_bytes(source.read_bytes()[:end])
    chunks = split(source)
    assert chunks[-1].folder is not None
    table = read_table(chunks[-1].folder)
    assert 0 < chunks[-1].chunk.stop < 12 and table.announced_frames == 12


@pytest.mark.parametrize("codec", ["mpeg2video", "libx264", "ffv1"])
def test_damaged_packets_are_counted(clip: ClipMaker, split: Split, codec: str) -> None:
    source = clip("a.mkv", codec=codec, frames=8, size=(96, 80))
    with av.open(str(source)) as container:
        packet = bytes([p for p in container.demux(video=0) if p.size][3])
    noise = np.random.default_rng(3).integers(0, 256, len(packet) - 8, np.uint8).tobytes()
    source.write_bytes(source.read_bytes().replace(packet, packet[:8] + noise))
    chunks = split(source)
    assert chunks[-1].folder is not None
    assert read_table(chunks[-1].folder).decode_errors > 0
    assert chunks[-1].chunk.stop in (7, 8)


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p", "gray"])
def test_deinterlacing_keeps_every_frame(clip: ClipMaker, split: Split, pix_fmt: str) -> None:
    source = clip("a.mkv", frames=7, pix_fmt=pix_fmt)
    for mode in ("deinterlace", "auto", "progressive"):
        (only, *rest) = split(source, chunk_frames=20, deinterlace=mode)
        assert only.folder is not None and not rest
        table = read_table(only.folder)
        assert len(table) == 7 and table.pix_fmt == pix_fmt and table.pts == tuple(range(0, 280, 40))
        same = digests(list(read_pictures(only.folder / "frames.mkv"))) == digests(decoded(source))
        assert same == (mode != "deinterlace")


def test_a_flag_alone_deinterlaces_nothing(clip: ClipMaker, split: Split) -> None:
    flags = (("flags", "+ildct+ilme"), ("b", "4M"))
    source = clip("i.mpg", size=(64, 64), codec="mpeg2video", frames=6, options=flags)
    (only,) = split(source)
    assert only.folder is not None
    assert digests(list(read_pictures(only.folder / "frames.mkv"))) == digests(decoded(source))
    account = read_table(only.folder).account
    assert account is not None and account.flagged == 6 and account.fields[0].treatment == "progressive"


@pytest.mark.parametrize("count", [1, 2, 5])
def test_deinterlacer_is_one_to_one(clip: ClipMaker, count: int) -> None:
    stage = Deinterlacer("tff")
    frames = decoded(clip("a.mkv", frames=count))
    done = [each for number, frame in enumerate(frames) for each in stage.add(frame, Stamp(number, 1, False))]
    assert [stamp.pts for _, stamp in [*done, *stage.finish()]] == list(range(count))


def test_frames_of_another_size_are_brought_to_that_of_most(clip: ClipMaker, split: Split) -> None:
    first = clip("a.ts", codec="mpeg2video", size=(64, 48), frames=5)
    second = clip("b.ts", codec="mpeg2video", size=(96, 64), frames=9)
    first.write_bytes(first.read_bytes() + second.read_bytes())
    chunks = split(first)
    tables = [read_table(c.folder) for c in chunks if c.folder]
    assert {(table.width, table.height) for table in tables} == {(96, 64)}
    account = tables[-1].account
    assert account is not None and chunks[-1].chunk.stop == account.decoded
    # FFmpeg's decoder lets go of the last picture before the change; that is said, not hidden.
    stretched, lost = account.damage
    assert account.decoded == 13 and lost.what == "a packet gave no picture"
    assert stretched.frame == 0 and stretched.what.startswith("4 frames of 1.33:1 in shape are shown as 1.50:1")
    assert [(r.start, r.stop, r.form) for r in account.resized] == [(0, 4, "64x48 yuv420p")]


def test_frames_in_memory_do_not_grow_with_length(
    clip: ClipMaker, split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[int] = []
    complete = stage_module._Cutting._complete

    def counted(self: stage_module._Cutting, verdicts: list[bool]) -> object:
        held.append(len(self._frames))
        return complete(self, verdicts)

    monkeypatch.setattr(stage_module._Cutting, "_complete", counted)
    split(clip("long.mkv", frames=90), chunk_frames=9)
    assert len(held) > 90 and max(held) <= 9 + 1 + 2
