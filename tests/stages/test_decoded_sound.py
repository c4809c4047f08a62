"""Sound that Matroska cannot hold: kept as PCM with the very samples, told, and checked against the source's."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from edit_lists import edited
from odd_clips import ffmpeg, moving, write_texture

from stages.assemble.config import AssembleConfig
from stages.assemble.derivatives import make_derivatives
from stages.contract import ItemError
from stages.media.decoded_sound import SampleForm, UnfitError, samples_of
from stages.media.ffmpeg import ffmpeg_program
from stages.media.matroska import check_audio
from stages.media.probe import open_video
from stages.split.config import SplitConfig
from stages.verification import against_fixity, against_source

Go = Callable[..., Any]

NOISE = "-f lavfi -i anoisesrc=r=48000:d=1:seed={seed},volume=2,pan=stereo|c0=c0|c1=-0.5*c0"
M2TS = "-f mpegts -mpegts_m2ts_mode 1"
SOUNDS = {
    "dvd.vob": ("-c:v mpeg2video -c:a pcm_dvd -sample_fmt s16", "pcm_dvd", "pcm_s16le"),
    "dvd-24.vob": ("-c:v mpeg2video -c:a pcm_dvd -sample_fmt s32", "pcm_dvd", "pcm_s24le"),
    "disc.m2ts": (f"-c:v libx264 -c:a pcm_bluray -sample_fmt s16 {M2TS}", "pcm_bluray", "pcm_s16le"),
    "disc-24.m2ts": (f"-c:v libx264 -c:a pcm_bluray -sample_fmt s32 {M2TS}", "pcm_bluray", "pcm_s24le"),
    "studio.m2ts": (f"-c:v mpeg2video -c:a s302m -strict -2 -sample_fmt s16 {M2TS}", "s302m", "pcm_s16le"),
    "studio-24.m2ts": (f"-c:v mpeg2video -c:a s302m -strict -2 -sample_fmt s32 {M2TS}", "s302m", "pcm_s24le"),
    "ima4.mov": ("-c:v mjpeg -c:a adpcm_ima_qt", "adpcm_ima_qt", "pcm_s16le"),
    "double.mov": ("-c:v mjpeg -c:a pcm_f64be", "pcm_f64be", "pcm_f64le"),
    "float.mov": ("-c:v mjpeg -c:a pcm_f32be", "pcm_f32be", "pcm_f32le"),
    "bytes.mov": ("-c:v mjpeg -c:a pcm_s8", "pcm_s8", "pcm_u8"),
    "planes.nut": ("-c:v mjpeg -c:a pcm_s24le_planar", "pcm_s24le_planar", "pcm_s24le"),
    "game.roq": ("-c:v roqvideo -s 64x64 -r 30 -c:a roq_dpcm -ar 22050", "roq_dpcm", "pcm_s16le"),
}
"""What ffmpeg is told, what it writes, and what is kept."""
RAW = {"pcm_u8": "u8", "pcm_s16le": "s16le", "pcm_s24le": "s24le", "pcm_f32le": "f32le", "pcm_f64le": "f64le"}


def make(folder: Path, name: str, words: str, sounds: int = 1) -> Path:
    """A moving texture with noise, as ``words`` say."""
    write_texture(folder)
    inputs = " ".join(NOISE.format(seed=number) for number in range(sounds))
    ffmpeg(f"{inputs} {moving()} {words} {name}", folder)
    return folder / name


def samples(path: Path, codec: str, stream: int = 0) -> bytes:
    """All samples of an audio stream as ffmpeg decodes them."""
    line = [ffmpeg_program(), "-v", "error", "-i", str(path), "-map", f"0:a:{stream}", "-f", RAW[codec], "pipe:"]
    return subprocess.run(line, capture_output=True, check=True).stdout


def begin(path: Path, stream: int = 0) -> float:
    """Seconds at which an audio stream begins, after the first picture's."""
    with av.open(str(path)) as container:
        first: dict[int, float] = {}
        for packet in container.demux():
            if packet.pts is not None and packet.size:
                time = float(packet.pts * packet.time_base)
                first[packet.stream.index] = min(time, first.get(packet.stream.index, time))
        return first[container.streams.audio[stream].index] - first[container.streams.video[0].index]


def told(codec: str, kept: str, index: int = 1) -> str:
    return f"stream {index}: {codec} cannot be held by Matroska; kept as {kept}, the same samples"


@pytest.mark.parametrize("name", SOUNDS)
def test_the_samples_are_kept_and_it_is_told(tmp_path: Path, go: Go, name: str) -> None:
    words, codec, kept = SOUNDS[name]
    source = make(tmp_path, name, words)
    with open_video(source) as container:
        stream = container.streams.audio[0]
        assert stream.codec_context.name == codec
        rate = stream.codec_context.sample_rate
    way = go(source, scale=1, chunk_frames=40)
    with av.open(str(way.output)) as container:
        context = container.streams.audio[0].codec_context
        assert (context.name, context.sample_rate, context.layout.nb_channels) == (kept, rate, 2)
    wanted = samples(source, kept)
    assert len(set(wanted)) > 100 and len(wanted) >= 2 * rate
    assert samples(way.output, kept) == wanted
    assert begin(way.output) == pytest.approx(begin(source), abs=0.0011)
    facts = way.result.facts
    assert (facts["decoded_sound"], facts["damage"], facts["left_out"]) == (told(codec, kept), "", "")
    assert against_source(way.output, source, SplitConfig()) == []
    assert against_fixity(way.output, way.output.with_suffix(".framemd5")) == []


def rewritten(path: Path, target: Path, change: Callable[[int, bytes], bytes]) -> Path:
    """A copy in which the packets of the audio streams are changed: ``change(number, data)``."""
    with av.open(str(path)) as source, av.open(str(target), "w", format="matroska") as output:
        streams = {each.index: output.add_stream_from_template(each) for each in source.streams}
        number = 0
        for packet in source.demux():
            if not packet.size:
                continue
            stream = streams[packet.stream.index]
            if packet.stream.type == "audio":
                copy = av.Packet(change(number, bytes(packet)))
                copy.time_base, copy.pts, copy.dts = packet.time_base, packet.pts, packet.dts
                copy.duration, packet, number = packet.duration, copy, number + 1
            packet.stream = stream
            output.mux(packet)
    return target


def test_one_wrong_sample_is_found(tmp_path: Path, go: Go) -> None:
    words, _, _ = SOUNDS["dvd-24.vob"]
    way = go(make(tmp_path, "dvd.vob", words), scale=1, chunk_frames=40)

    def flip(number: int, data: bytes) -> bytes:
        return data[:600] + bytes([data[600] ^ 1]) + data[601:] if number == 20 else data

    same = rewritten(way.output, tmp_path / "same.mkv", lambda number, data: data)
    assert against_source(same, way.source, SplitConfig()) == []
    altered = rewritten(way.output, tmp_path / "altered.mkv", flip)
    size = len(samples(way.output, "pcm_s24le"))
    of = f"{size} bytes of pcm_s24le (48000 Hz, 2 channels)"
    assert against_source(altered, way.source, SplitConfig()) == [f"audio stream 0: its {of} are not the source's {of}"]


def test_several_streams_beside_ordinary_ones(tmp_path: Path, go: Go) -> None:
    sounds = "-c:a:0 pcm_dvd -sample_fmt:a:0 s16 -c:a:1 mp2 -c:a:2 pcm_dvd -sample_fmt:a:2 s32"
    source = make(tmp_path, "disc.vob", f"-map 0 -map 3 -map 1 -map 2 -c:v mpeg2video {sounds}", sounds=3)
    way = go(source, scale=1, chunk_frames=40)
    with av.open(str(way.output)) as container, open_video(source) as original:
        order = [(each.index, each.codec_context.name) for each in original.streams if each.type == "audio"]
        kept = [each.codec_context.name for each in container.streams.audio]
    mp2 = [name for _, name in order].index("mp2")
    assert kept[mp2] == "mp2" and sorted(kept) == ["mp2", "pcm_s16le", "pcm_s24le"]
    for number, codec in enumerate(kept):
        if codec != "mp2":
            assert samples(way.output, codec, number) == samples(source, codec, number)
        assert begin(way.output, number) == pytest.approx(begin(source, number), abs=0.0011)
    lines = [told(name, kept[number], index) for number, (index, name) in enumerate(order) if name != "mp2"]
    assert way.result.facts["decoded_sound"] == "; ".join(lines)
    assert against_source(way.output, source, SplitConfig()) == []


def test_sound_that_begins_late_is_kept_where_it_is(tmp_path: Path, go: Go) -> None:
    write_texture(tmp_path)
    source = tmp_path / "late.vob"
    inputs = f"-itsoffset 9 {NOISE.format(seed=1)} {moving('25', 11)}"
    ffmpeg(f"{inputs} -c:v mpeg2video -c:a pcm_dvd -sample_fmt s16 {source.name}", tmp_path)
    with open_video(source) as container:
        assert not container.streams.audio[0].sample_rate  # FFmpeg does not look so far
    way = go(source, scale=1, chunk_frames=400)
    assert begin(way.output) == pytest.approx(9, abs=0.05)
    with open_video(source, options={"probesize": "100000000", "analyzeduration": "100000000"}) as container:
        frames = [frame for packet in container.demux(audio=0) for frame in packet.decode()]
    wanted = b"".join(np.ascontiguousarray(frame.to_ndarray()).tobytes() for frame in frames)
    assert samples(way.output, "pcm_s16le") == wanted and len(wanted) == 48000 * 4
    assert against_source(way.output, source, SplitConfig()) == []


@pytest.mark.parametrize("codec", ["adpcm_ima_qt", "pcm_f64be"])
def test_an_edit_list_is_followed(tmp_path: Path, go: Go, codec: str) -> None:
    kept, frame = ("pcm_s16le", 4) if codec == "adpcm_ima_qt" else ("pcm_f64le", 16)
    source = make(tmp_path, "edited.mov", f"-c:v mjpeg -c:a {codec}")
    whole = samples(source, kept)
    edited((0.6, 0.21))(source)
    way = go(source, scale=1, chunk_frames=40)
    found, wanted = samples(way.output, kept), samples(source, kept)
    assert whole.find(wanted) == round(0.21 * 48000) * frame
    assert found.startswith(wanted) and len(found) - len(wanted) < 64 * frame  # its last packet ends later
    assert begin(way.output) == 0
    assert against_source(way.output, source, SplitConfig()) == []


def test_a_file_that_breaks_off_is_restored_and_what_is_lost_is_told(tmp_path: Path, go: Go) -> None:
    words, _, kept = SOUNDS["studio.m2ts"]
    source = make(tmp_path, "studio.m2ts", words)
    source.write_bytes(source.read_bytes()[: source.stat().st_size * 6 // 10])
    way = go(source, scale=1, chunk_frames=40)
    assert samples(way.output, kept) == samples(source, kept) != b""
    assert "stream 1: 1 packet of s302m cannot be decoded, the first at " in way.result.facts["damage"]
    assert against_source(way.output, source, SplitConfig()) == []


def test_old_quicktime_is_kept(tmp_path: Path, go: Go) -> None:
    """No program writes MACE any more; every byte is some sound of it."""
    source = make(tmp_path, "old.mov", "-c:v mjpeg -c:a adpcm_ima_qt")
    source.write_bytes(source.read_bytes().replace(b"ima4", b"MAC3"))
    way = go(source, scale=1, chunk_frames=40)
    assert samples(way.output, "pcm_s16le") == samples(source, "pcm_s16le") != b""
    assert way.result.facts["decoded_sound"] == told("mace3", "pcm_s16le")
    assert against_source(way.output, source, SplitConfig()) == []


def test_derivatives_have_the_sound(tmp_path: Path, go: Go) -> None:
    words, _, _ = SOUNDS["disc-24.m2ts"]
    source = make(tmp_path, "disc.m2ts", words)
    way = go(source, scale=1, chunk_frames=40)
    wanted = AssembleConfig.model_validate({"derivatives": [{"kind": "prores"}, {"kind": "h264"}]}).derivatives
    made = make_derivatives(way.output, wanted, None, way.result.facts["frames"])
    assert (made.lacking, made.failed) == ((), ())
    assert samples(made.made[0], "pcm_s24le") == samples(source, "pcm_s24le")
    for path in made.made:
        assert begin(path) == pytest.approx(begin(source), abs=0.03)


def refused(source: Path) -> str:
    with open_video(source) as container, pytest.raises(ItemError) as error:
        check_audio(container, source.name)
    return str(error.value)


def test_what_is_not_decoded_to_the_very_samples_is_refused(tmp_path: Path) -> None:
    source = make(tmp_path, "a.flv", "-c:v flv -c:a nellymoser -ar 22050 -ac 1")
    index = 0 if open_video(source).streams[0].type == "audio" else 1
    cannot = f"a.flv: audio stream {index} (nellymoser) cannot be copied into Matroska; convert it to FLAC"
    assert refused(source) == cannot


@pytest.mark.parametrize(
    ("layout", "kept"), [("5.1(side)", True), ("7.1", True), ("4.0", True), ("3.0", False), ("quad(side)", False)]
)
def test_channels_that_pcm_in_matroska_cannot_name_are_refused(tmp_path: Path, layout: str, kept: bool) -> None:
    write_texture(tmp_path)
    source = tmp_path / "disc.m2ts"
    sound = f"-f lavfi -i anoisesrc=r=48000:d=1,aformat=channel_layouts=mono,aresample=out_chlayout={layout}"
    ffmpeg(f"{sound} {moving()} -c:v libx264 -c:a pcm_bluray -channel_layout {layout} {M2TS} {source.name}", tmp_path)
    if kept:
        with open_video(source) as container:
            assert check_audio(container, source.name) == [told("pcm_bluray", "pcm_s24le")]
    else:
        cannot = "disc.m2ts: audio stream 1 (pcm_bluray) cannot be copied into Matroska"
        why = f"whose PCM has no place for its channel layout {layout}"
        assert refused(source) == f"{cannot}, {why}; convert it to FLAC"


def test_what_flac_cannot_hold_is_not_sent_there(tmp_path: Path) -> None:
    write_texture(tmp_path)
    sound = "-f lavfi -i anoisesrc=r=48000:d=1,aformat=channel_layouts=mono,pan=quad|c0=c0|c1=c0|c2=c0|c3=c0"
    ffmpeg(f"{sound} {moving()} -c:v mjpeg -c:a pcm_f64be a.mov", tmp_path)
    assert refused(tmp_path / "a.mov").endswith("channel layout quad; convert it to pcm_f64le")


def test_channels_without_names_are_all_kept(tmp_path: Path, go: Go) -> None:
    """SMPTE 302M has numbers for them, and so has PCM in Matroska; FFmpeg makes up names."""
    write_texture(tmp_path)
    source = tmp_path / "tape.ts"
    pan = "|".join(f"c{number}={0.1 * (number + 1):.1f}*c0" for number in range(8))
    sound = f"-f lavfi -i anoisesrc=r=48000:d=1,aformat=channel_layouts=mono,pan=8c|{pan}"
    ffmpeg(f"{sound} {moving()} -c:v mpeg2video -c:a s302m -strict -2 -sample_fmt s16 {source.name}", tmp_path)
    way = go(source, scale=1, chunk_frames=40)
    assert samples(way.output, "pcm_s16le") == samples(source, "pcm_s16le")
    with av.open(str(way.output)) as container:
        assert container.streams.audio[0].layout.nb_channels == 8
    assert against_source(way.output, source, SplitConfig()) == []


def test_another_form_in_the_middle_is_refused(tmp_path: Path) -> None:
    first = make(tmp_path, "first.ts", "-c:v mpeg2video -c:a s302m -strict -2 -sample_fmt s16")
    second = make(tmp_path, "second.ts", "-c:v mpeg2video -c:a s302m -strict -2 -sample_fmt s32 -output_ts_offset 1")
    source = tmp_path / "tape.ts"
    source.write_bytes(first.read_bytes() + second.read_bytes())
    cannot = "tape.ts: audio stream 1 (s302m) cannot be copied into Matroska"
    why = "and it changes from 48000 Hz, s16, stereo to 48000 Hz, s32, stereo at "
    assert refused(source).startswith(f"{cannot}, {why}")


def test_more_bits_than_24_are_never_cut() -> None:
    form = SampleForm("pcm_s24le", 48000, 1)
    whole = av.AudioFrame.from_ndarray(np.array([[0x01020300, -256]], np.int32), format="s32", layout="mono")
    assert samples_of(whole, form) == bytes([3, 2, 1, 255, 255, 255])
    finer = av.AudioFrame.from_ndarray(np.array([[0x01020301]], np.int32), format="s32", layout="mono")
    with pytest.raises(UnfitError, match="more than 24 bits"):
        samples_of(finer, form)
