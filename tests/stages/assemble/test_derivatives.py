"""Derivatives of sources that encoders do not take as they are; what cannot be made costs nobody the master."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import odd_clips
import pytest

from stages.assemble import AssembleConfig
from stages.assemble import derivatives as module
from stages.media.ffmpeg import FfmpegError

Go = Callable[..., Any]


def wanting(*kinds: str) -> AssembleConfig:
    return AssembleConfig(derivatives=tuple({"kind": kind} for kind in kinds))


def made(folder: Path, words: str, name: str) -> Path:
    odd_clips.write_texture(folder)
    odd_clips.ffmpeg(f"{words} {name}", folder)
    return folder / name


def tones(path: Path) -> list[int]:
    """The frequency of each channel of the first audio stream, in Hz, to the nearest 100."""
    with av.open(str(path)) as container:
        channels = container.streams.audio[0].channels
    odd_clips.ffmpeg(f"-i {path} -map 0:a:0 -f f32le -c:a pcm_f32le sound.raw", path.parent)
    sound = np.fromfile(path.parent / "sound.raw", np.float32).reshape(-1, channels).T
    middle = sound[:, 4800:9600]
    peaks = np.abs(np.fft.rfft(middle, axis=1)).argmax(axis=1)
    return [round(peak / 10) * 100 for peak in peaks]


@pytest.mark.parametrize("channels", [8, 9, 10, 16])
def test_the_first_eight_of_many_channels_are_heard_in_an_mp4(tmp_path: Path, go: Go, channels: int) -> None:
    waves = "|".join(f"0.2*sin(2*PI*{1000 + 200 * number}*t)" for number in range(channels))
    tone = f"-f lavfi -i aevalsrc={waves}:s=48000:d=0.4"
    source = made(tmp_path, f"{tone} {odd_clips.moving(seconds=0.4)} -c:v mjpeg -c:a pcm_s16le", "many.mov")
    way = go(source, scale=1, assemble=wanting("h264", "prores", "png"))
    heard = tones(way.output.with_name("many.h264.mp4"))
    every = [1000 + 200 * number for number in range(channels)]
    lfe = 3  # of 7.1: AAC keeps no high frequencies there
    assert [tone for number, tone in enumerate(heard) if number != lfe] == [*every[:lfe], *every[lfe + 1 : 8]]
    assert tones(way.output.with_name("many.prores.mov")) == every
    assert tones(way.output.with_name("many.png") / "sound.wav") == every
    told = f"channels 9 to {channels} of stream 1 in many.h264.mp4: AAC has 8, the master has all"
    assert way.result.facts["left_out"] == (told if channels > 8 else "")


def test_an_odd_side_is_made_even_as_the_picture_is_shown(tmp_path: Path, go: Go) -> None:
    words = f"{odd_clips.moving(seconds=0.2)},crop=33:18:0:0:exact=1,format=yuv444p -c:v libx264 -qp 0"
    source = made(tmp_path, words, "turned.mp4")
    odd_clips.again("-display_rotation 90")(source)
    way = go(source, scale=1, assemble=wanting("h264"))
    with av.open(str(way.output.with_name("turned.h264.mp4"))) as container:
        frame = next(container.decode(video=0))
        assert (frame.width, frame.height, frame.rotation) == (18, 34, 0)


def test_a_derivative_that_cannot_be_made_is_named_and_the_master_is_there(
    tmp_path: Path, go: Go, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_LAYOUTS", ("5.1.2",) * 8)  # which AAC does not have
    tone = "-f lavfi -i aevalsrc=0|0|0|0|0|0|0|0|0|0:s=48000:d=0.4"
    source = made(tmp_path, f"{tone} {odd_clips.moving(seconds=0.4)} -c:v mjpeg -c:a pcm_s16le", "many.mov")
    way = go(source, scale=1, assemble=wanting("h264", "png"))
    told = way.result.facts["left_out"]
    assert told == 'many.h264.mp4, which cannot be made from the master ([aac] Unsupported channel layout "5.1.2")'
    assert way.result.facts["derivatives"] == "many.png"
    assert not way.output.with_name("many.h264.mp4").exists()
    assert way.output.is_file() and way.result.facts["frames"] == 10


def test_a_full_disk_is_no_reason_to_do_without_a_derivative(
    tmp_path: Path, go: Go, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(graph: object) -> bytes:
        raise FfmpegError("[out#0/mp4] Error writing trailer: No space left on device")

    monkeypatch.setattr(module, "run", full)
    source = made(tmp_path, f"{odd_clips.moving(seconds=0.2)} -c:v ffv1", "plain.mkv")
    with pytest.raises(FfmpegError, match="No space left"):
        go(source, scale=1, assemble=wanting("h264"))


def test_dpx_says_the_shape_of_its_samples(tmp_path: Path, go: Go) -> None:
    way = go(odd_clips.make("sar.mkv", tmp_path), scale=1, assemble=wanting("dpx"))
    with av.open(str(way.output.with_name("sar.dpx") / "00000002.dpx")) as image:
        assert image.streams.video[0].codec_context.sample_aspect_ratio == Fraction(16, 15)
