"""Sound that changes in the middle, as on tapes of DV: all packets go along, and what cannot be heard right is told."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import odd_clips
import pytest

from stages.contract import ItemError
from stages.media.probe import open_video
from stages.split.config import SplitConfig
from stages.verification import against_source

_BLOCK, _SEQUENCES, _BLOCKS = 80, 12, 150
"""Bytes of a DIF block of DV, and how a frame of 625 lines is laid out (IEC 61834-2)."""
_AUDIO, _SOURCE = 3, 0x50
"""The section of an audio block, and the pack in it that says how its sound was sampled."""


def at_32_khz(tape: bytes, bits: int = 16) -> bytes:
    """The same frames of DV, whose sound says that it is of 32 kHz; of 12 bits, there are four channels."""
    data = bytearray(tape)
    for at in range(0, len(data), _BLOCK):
        if data[at] >> 5 == _AUDIO and data[at + 3] == _SOURCE:
            data[at + 4] = data[at + 4] & 0xC0 | 16  # samples of this frame above the least
            data[at + 7] = data[at + 7] & ~0x3F | 2 << 3 | (bits == 12)
    return bytes(data)


def recorded(tape: Path) -> bytes:
    """Four frames of DV with two channels of 48 kHz."""
    odd_clips.write_texture(tape.parent)
    filters = "scale=720:576,setsar=16/15"
    words = f"{odd_clips.TONE} {odd_clips.moving(seconds=0.16)},{filters} -c:v dvvideo -ac 2 -t 0.16 {tape.name}"
    odd_clips.ffmpeg(words, tape.parent)
    assert tape.stat().st_size == 4 * _SEQUENCES * _BLOCKS * _BLOCK
    return tape.read_bytes()


def type_1(tape: bytes) -> bytes:
    """An AVI of the frames of DV with their sound in them."""
    size = _SEQUENCES * _BLOCKS * _BLOCK
    count = len(tape) // size
    main = struct.pack("<14I", 40000, 0, 0, 0, count, 0, 1, size, 720, 576, 0, 0, 0, 0)
    stream = b"iavsdvsd" + struct.pack("<12I", 0, 0, 0, 1, 25, 0, count, size, 10000, 0, 0, 0)
    header = _list(b"strl", _piece(b"strh", stream) + _piece(b"strf", bytes(32)))
    frames = b"".join(_piece(b"00__", tape[at : at + size]) for at in range(0, len(tape), size))
    body = _list(b"hdrl", _piece(b"avih", main) + header) + _list(b"movi", frames)
    return _piece(b"RIFF", b"AVI " + body)


def _piece(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("<I", len(body)) + body


def _list(kind: bytes, body: bytes) -> bytes:
    return _piece(b"LIST", kind + body)


@pytest.mark.parametrize("name", ["tape.dv", "tape.avi"])
def test_channels_that_a_tape_has_only_later_go_along(tmp_path: Path, go: Callable[..., Any], name: str) -> None:
    tape = tmp_path / name
    first = recorded(tmp_path / "tape.dv")
    whole = first * 10 + at_32_khz(first, bits=12)
    tape.write_bytes(type_1(whole) if tape.suffix == ".avi" else whole)
    with open_video(tape) as container:
        assert len(container.streams.audio) == 1  # FFmpeg does not look so far
    way = go(tape, scale=1, chunk_frames=50)
    assert way.result.facts["left_out"] == ""
    with av.open(str(way.output)) as container:
        first_pair, second_pair = container.streams.audio
        begins = [next(p.pts for p in container.demux(second_pair) if p.size)]
        assert (first_pair.sample_rate, second_pair.sample_rate, begins) == (48000, 32000, [1600])
    assert way.result.facts["audio_packets"] == 44 + 4
    assert against_source(way.output, tape, SplitConfig()) == []


def test_another_sampling_frequency_in_the_middle_is_told(tmp_path: Path, go: Callable[..., Any]) -> None:
    tape = tmp_path / "tape.dv"
    first = recorded(tape)
    assert go(tape, scale=1, chunk_frames=20).result.facts["damage"] == ""
    tape.write_bytes(first + at_32_khz(first))
    way = go(tape, scale=1, chunk_frames=20)
    assert way.result.facts["audio_packets"] == 8
    assert way.result.facts["damage"] == (
        "stream 1: it changes from 48000 Hz to 32000 Hz at 0.160 s; Matroska has one form for a stream, so that what "
        "follows plays wrongly: listen to the source"
    )
    assert against_source(way.output, tape, SplitConfig()) == []


@pytest.mark.parametrize(("first", "second"), [("mp2", "aac"), ("aac", "mp2"), ("ac3", "aac")])
def test_a_stream_that_becomes_another_is_refused_before_anything_is_made(
    tmp_path: Path, go: Callable[..., Any], first: str, second: str
) -> None:
    odd_clips.write_texture(tmp_path)
    for name, codec in (("one.ts", first), ("two.ts", second)):
        words = f"{odd_clips.TONE} {odd_clips.moving()} -c:v mpeg2video -c:a {codec} -t 1 {name}"
        odd_clips.ffmpeg(words, tmp_path)
    source = tmp_path / "both.ts"
    source.write_bytes((tmp_path / "one.ts").read_bytes() + (tmp_path / "two.ts").read_bytes())
    told = f"both.ts: stream 1 changes from audio {first} to audio {second} in the middle, .* cut the file there"
    with pytest.raises(ItemError, match=told):
        go(source, scale=1)
