from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from odd_clips import TONE, ffmpeg, moving, write_notes

from stages.assemble import AssembleConfig, AssembleStage
from stages.assemble.joining import AssemblyError
from stages.media.frames import read_pictures, rgb_from_picture
from stages.media.table import read_table

ClipMaker = Callable[..., Path]
Go = Callable[..., Any]


def facts_of(path: Path) -> dict[str, list[Any]]:
    with av.open(str(path)) as container:
        found: dict[str, list[Any]] = {}
        for packet in container.demux(*container.streams):
            if packet.size:
                seconds = None if packet.pts is None else packet.pts * packet.time_base
                found.setdefault(packet.stream.type, []).append((seconds, bytes(packet)))
        return found


def shown(path: Path) -> list[Fraction]:
    with av.open(str(path)) as container:
        return [frame.pts * frame.time_base for frame in container.decode(video=0)]


def milliseconds(times: list[Fraction]) -> list[int]:
    return [math.floor(time * 1000 + Fraction(1, 2)) for time in times]


CLIPS: dict[str, dict[str, Any]] = {
    "one.mkv": {"frames": 1},
    "two.mkv": {"frames": 2},
    "odd.mkv": {"frames": 9, "size": (175, 143), "sar": Fraction(16, 15)},
    "ntsc.mov": {"rate": Fraction(30000, 1001), "codec": "mpeg4", "frames": 20, "sar": Fraction(8, 9)},
    "vfr.mkv": {"times": [0, 40, 81, 200, 210, 400, 433, 1000, 1001, 1500], "frames": 10},
    "bframes.mp4": {"codec": "libx264", "options": (("bf", "2"),), "frames": 20, "audio": ("aac",)},
    "pcm.mov": {"codec": "mpeg4", "frames": 9, "audio": ("pcm_s16le", "pcm_s16be")},
    "both.mkv": {"frames": 9, "audio": ("pcm_s16le", "aac")},
    "cuts.mkv": {"frames": 25, "cuts": (7, 18), "audio": ("aac",)},
    "capture.ts": {"codec": "mpeg2video", "options": (("bf", "2"),), "frames": 15, "audio": ("mp2",)},
    "adts.ts": {"codec": "mpeg2video", "frames": 15, "audio": ("aac",)},
    "tape.avi": {"codec": "mpeg4", "options": (("bf", "2"),), "frames": 15, "audio": ("pcm_s16le",)},
    "mulaw.mov": {"codec": "mpeg4", "frames": 15, "audio": ("pcm_mulaw",)},
    "mixed.mov": {"codec": "mpeg4", "frames": 15, "audio": ("aac", "pcm_mulaw")},
    "rgb.mkv": {"frames": 4, "pix_fmt": "bgr0"},
    "gray.mkv": {"frames": 4, "pix_fmt": "gray"},
}


@pytest.mark.parametrize("name", CLIPS)
def test_promises(clip: ClipMaker, go: Go, name: str) -> None:
    source = clip(name, **CLIPS[name])
    before = source.read_bytes()
    way = go(source)
    frames = CLIPS[name]["frames"]
    expected = milliseconds(shown(source)) if name != "tape.avi" else [40 * n for n in range(frames)]
    assert milliseconds(shown(way.output)) == expected
    assert way.result.facts["frames"] == frames == len(expected)
    assert way.result.facts["shift_ms"] == 0
    assert source.read_bytes() == before

    theirs, ours = facts_of(source).get("audio", []), facts_of(way.output).get("audio", [])
    assert len(theirs) == len(ours) == way.result.facts["audio_packets"]
    stripped = [data[7:] if name == "adts.ts" else data for _, data in theirs]
    assert sorted(stripped) == sorted(data for _, data in ours)
    for (a, _), (b, _) in zip(sorted(theirs), sorted(ours), strict=True):
        assert abs(a - b) <= Fraction(1, 1000)

    with av.open(str(way.output)) as container:
        stream = container.streams.video[0]
        sar = CLIPS[name].get("sar", 1)
        assert (stream.sample_aspect_ratio or 1) == sar
        with av.open(str(source)) as original:
            codecs = [s.codec_context.name for s in original.streams.audio]
        assert [s.codec_context.name for s in container.streams.audio] == codecs
        assert len(codecs) == len(CLIPS[name].get("audio", ()))
        constant = {"vfr.mkv": None}.get(name, CLIPS[name].get("rate", Fraction(25)))
        if constant and frames > 1:
            assert abs(stream.average_rate - constant) < Fraction(1, 100)
    md5 = (way.task.output / f"{way.task.name}.framemd5").read_text().splitlines()
    assert sum(line.startswith("0,") for line in md5) == frames
    assert sum(line[:1] in "123" for line in md5) == len(ours)


@pytest.mark.parametrize("name", ["a b", "Grüße", "50%03d", 'it\'s "quoted"', "-dash", "colon: x", "[0]*?"])
def test_names_that_mean_something_elsewhere(clip: ClipMaker, go: Go, name: str) -> None:
    way = go(clip(f"{name}.mkv", frames=3, audio=("aac",)), name=name)
    assert way.output.is_file() and (way.task.output / f"{name}.framemd5").is_file()


def test_pictures_are_the_enlarged_source(clip: ClipMaker, go: Go) -> None:
    source = clip("a.mkv", frames=14, cuts=(6,), matrix=5)
    way = go(source)
    with av.open(str(source)) as container:
        originals = list(container.decode(video=0))
    colour = read_table(way.task.split[0]).colour
    results = list(read_pictures(way.output))
    assert {picture.format.name for picture in results} == {"yuv420p10le"}
    for ours, theirs in zip(results, originals, strict=True):
        difference = rgb_from_picture(ours, colour) - rgb_from_picture(theirs, colour).repeat(2, 0).repeat(2, 1)
        assert 10 * np.log10(1 / np.mean(difference**2)) > 45


def test_cores_are_not_encoded_again(clip: ClipMaker, go: Go) -> None:
    way = go(clip("a.mkv", frames=14))
    assert way.result.facts["overlaps"] == 2
    finished = [data for _, data in facts_of(way.output)["video"]]
    for chunk, folder in zip(way.task.chunks, way.task.decode, strict=True):
        segment = [data for _, data in facts_of(folder / "segment.mkv")["video"]]
        assert finished[chunk.core.start : chunk.core.stop] == segment


def test_same_parts_same_bytes(clip: ClipMaker, go: Go, tmp_path: Path) -> None:
    way = go(clip("a.mp4", codec="libx264", frames=12, audio=("aac",), sar=Fraction(16, 15)))
    again = tmp_path / "again"
    again.mkdir()
    task = type(way.task)(**{**{k: getattr(way.task, k) for k in way.task.__slots__}, "output": again})
    AssembleStage(AssembleConfig()).run(task)
    for file in sorted(again.iterdir()):
        assert file.read_bytes() == (way.task.output / file.name).read_bytes()


def test_missing_frames_are_found(clip: ClipMaker, go: Go) -> None:
    way = go(clip("a.mkv", frames=12))
    for file in way.task.output.iterdir():
        file.unlink()
    other = go(clip("b.mkv", frames=5), name="other")
    (way.task.decode[0] / "segment.mkv").write_bytes((other.task.decode[0] / "segment.mkv").read_bytes())
    with pytest.raises(AssemblyError, match="instead of"):
        AssembleStage(AssembleConfig()).run(way.task)


def test_name_leads_nowhere_else(clip: ClipMaker, go: Go) -> None:
    with pytest.raises(AssemblyError, match="not a file name"):
        go(clip("a.mkv", frames=2), name="../a")


def test_missing_chunk_is_found(clip: ClipMaker, go: Go) -> None:
    way = go(clip("a.mkv", frames=14))
    parts = {k: getattr(way.task, k)[:-1] for k in ("chunks", "split", "decode")}
    task = type(way.task)(**{**{k: getattr(way.task, k) for k in way.task.__slots__}, **parts})
    with pytest.raises(AssemblyError, match="missing"):
        AssembleStage(AssembleConfig()).run(task)


def test_subtitles_chapters_attachments_and_tags(clip: ClipMaker, go: Go, tmp_path: Path) -> None:
    plain = clip("plain.mkv", frames=10, audio=("pcm_s16le",))
    source = tmp_path / "rich.mkv"
    with av.open(str(plain)) as old, av.open(str(source), "w") as new:
        streams = {s.index: new.add_stream_from_template(s) for s in old.streams}
        text = new.add_mux_stream("subrip")
        text.metadata["language"] = "deu"
        streams[1].metadata["language"] = "fra"
        streams[1].disposition = 64
        note = new.add_attachment("note.txt", "text/plain", b"signed by hand")
        note.metadata.update({"title": "Note", "FOUND": "in the can"})
        new.metadata["title"] = "Das Fest"
        chapter = {"id": 1, "start": 0, "end": 200, "time_base": Fraction(1, 1000), "metadata": {"title": "Anfang"}}
        new.set_chapters([chapter])
        for packet in old.demux(*old.streams):
            if packet.size:
                packet.stream = streams[packet.stream.index]
                new.mux(packet)
        line = av.Packet("Grüß Gott".encode())
        line.stream, line.time_base, line.pts, line.dts, line.duration = text, Fraction(1, 1000), 120, 120, 200
        new.mux(line)
    way = go(source)
    with av.open(str(way.output)) as container:
        kinds = [stream.type for stream in container.streams]
        assert kinds == ["video", "audio", "subtitle", "attachment"]
        _, audio, text, note = container.streams
        assert (audio.language, text.language) == ("fra", "deu")
        assert audio.disposition & 64
        assert note.data == b"signed by hand" and note.name == "note.txt"
        assert (note.metadata["title"], note.metadata["FOUND"]) == ("Note", "in the can")
        assert container.metadata["title"] == "Das Fest"
        (only,) = container.chapters()
        assert (only["start"] * only["time_base"], only["metadata"]["title"]) == (0, "Anfang")
    assert [(s, d) for s, d in facts_of(way.output)["subtitle"]] == [(Fraction(120, 1000), "Grüß Gott".encode())]


def test_cover_picture_goes_along(clip: ClipMaker, go: Go, tmp_path: Path, jpeg: bytes) -> None:
    plain, source = clip("plain.mkv", frames=3), tmp_path / "covered.mkv"
    with av.open(str(plain)) as old, av.open(str(source), "w") as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        new.add_attachment("cover.jpg", "image/jpeg", jpeg)
        for packet in old.demux(video=0):
            if packet.size:
                packet.stream = stream
                new.mux(packet)
    way = go(source)
    assert way.result.facts["left_out"] == ""
    with av.open(str(way.output)) as container:
        cover = container.streams.video[1]
        assert cover.metadata["filename"] == "cover.jpg"
        assert next(bytes(p) for p in container.demux(cover) if p.size) == jpeg


def test_subtitles_of_mp4_become_plain_text(clip: ClipMaker, go: Go, tmp_path: Path) -> None:
    plain, source = clip("plain.mp4", codec="mpeg4", frames=5), tmp_path / "titled.mp4"
    with av.open(str(plain)) as old, av.open(str(source), "w") as new:
        stream, text = new.add_stream_from_template(old.streams.video[0]), new.add_mux_stream("mov_text")
        for packet in old.demux(video=0):
            if packet.size:
                packet.stream = stream
                new.mux(packet)
        line = av.Packet(b"\x00\x05Hello")
        line.stream, line.time_base, line.pts, line.dts, line.duration = text, Fraction(1, 1000), 40, 40, 100
        new.mux(line)
    way = go(source)
    assert way.result.facts["left_out"] == ""
    assert facts_of(way.output)["subtitle"] == [(Fraction(40, 1000), b"Hello")]


@pytest.mark.parametrize(("codec", "told"), [("klv", "1 data klv"), ("dvb_teletext", "1 subtitle dvb_teletext")])
def test_what_matroska_cannot_hold_is_named(clip: ClipMaker, go: Go, tmp_path: Path, codec: str, told: str) -> None:
    plain, source = clip("plain.ts", codec="mpeg2video", frames=5), tmp_path / "with-data.ts"
    with av.open(str(plain)) as old, av.open(str(source), "w") as new:
        stream, data = new.add_stream_from_template(old.streams.video[0]), new.add_mux_stream(codec)
        for packet in old.demux(video=0):
            if packet.size:
                packet.stream = stream
                new.mux(packet)
                extra = av.Packet(b"12345678")
                extra.stream, extra.time_base, extra.pts, extra.dts = data, packet.time_base, packet.dts, packet.dts
                new.mux(extra)
    assert go(source).result.facts["left_out"] == told


@pytest.mark.parametrize(
    ("times", "left_out"), [(["01:00:00:00"], ""), (["01:00:00:00", "09:08:07:06"], "1 video, 3 data tmcd")]
)
def test_a_track_of_time_code_is_left_out_unless_it_goes_along_as_a_tag(
    clip: ClipMaker, go: Go, tmp_path: Path, times: list[str], left_out: str
) -> None:
    plain, source = clip("plain.mov", codec="mpeg4", frames=5), tmp_path / "timed.mov"
    with av.open(str(plain)) as old, av.open(str(source), "w") as new:
        streams = [new.add_stream_from_template(old.streams.video[0]) for _ in times]
        for stream, begin in zip(streams, times, strict=True):
            stream.metadata["timecode"] = begin
        for packet in old.demux(video=0):
            for stream in streams if packet.size else ():
                new.mux(_copy(packet, stream))
    way = go(source)
    with av.open(str(way.output)) as container:
        assert container.streams.video[0].metadata["TIMECODE"] == times[0]
    assert way.result.facts["left_out"] == left_out


def _copy(packet: av.Packet, stream: Any) -> av.Packet:
    again = av.Packet(bytes(packet))
    again.stream, again.time_base, again.pts, again.dts = stream, packet.time_base, packet.pts, packet.dts
    return again


def test_a_second_video_stream_is_left_out_and_named(clip: ClipMaker, go: Go, tmp_path: Path) -> None:
    plain, source = clip("plain.mkv", frames=5), tmp_path / "two.mkv"
    with av.open(str(plain)) as old, av.open(str(source), "w") as new:
        streams = [new.add_stream_from_template(old.streams.video[0]) for _ in range(2)]
        for packet in old.demux(video=0):
            for stream in streams if packet.size else ():
                new.mux(_copy(packet, stream))
    way = go(source)
    assert way.result.facts["left_out"] == "1 video"
    with av.open(str(way.output)) as container:
        assert len(container.streams.video) == 1


def test_vertical_video_stays_upright(clip: ClipMaker, go: Go, tmp_path: Path) -> None:
    plain, source = clip("plain.mp4", codec="libx264", frames=3), tmp_path / "turned.mp4"
    with av.open(str(plain)) as old, av.open(str(source), "w") as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        stream.set_display_rotation(90)
        for packet in old.demux(video=0):
            if packet.size:
                packet.stream = stream
                new.mux(packet)
    way = go(source)
    with av.open(str(way.output)) as container:
        assert next(container.decode(video=0)).rotation == 90


def test_a_track_of_chapters_is_not_missed(go: Go, tmp_path: Path) -> None:
    write_notes(tmp_path)
    maps = "-map 1:v -map_metadata 0 -map_chapters 0"
    ffmpeg(f"-f ffmetadata -i chapters.txt {moving()} {maps} -c:v mpeg4 chaptered.mp4", tmp_path)
    way = go(tmp_path / "chaptered.mp4")
    assert way.result.facts["left_out"] == ""
    with av.open(str(way.output)) as container:
        assert [each["metadata"]["title"] for each in container.chapters()] == ["Anfang", "Ende"]


def test_sound_whose_form_changes_is_told(go: Go, tmp_path: Path) -> None:
    write_notes(tmp_path)
    for number, rate in enumerate((48000, 44100)):
        sound = f"-c:v mpeg2video -c:a aac -ar {rate} -output_ts_offset {number}"
        ffmpeg(f"{TONE} {moving()} {sound} {number}.ts", tmp_path)
    source = tmp_path / "changes.ts"
    source.write_bytes(b"".join((tmp_path / f"{number}.ts").read_bytes() for number in range(2)))
    way = go(source, chunk_frames=100)
    told = (
        "stream 1: its AAC changes from 48000 Hz (channel configuration 1) to 44100 Hz (channel configuration 1) at 2."
    )
    assert told in way.result.facts["damage"]
