"""AAC as transmissions and joined files have it: headers that are lost, and ones that come again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import pytest
from odd_clips import TONE, ffmpeg, moving, write_texture

from stages.split.config import SplitConfig
from stages.verification import against_source

Go = Callable[..., Any]
_FLV_HEADER, _TAG_HEADER, _AUDIO = 13, 11, 8


def make(folder: Path, name: str, options: str = "") -> Path:
    write_texture(folder)
    ffmpeg(f"{TONE} {moving()} -c:v libx264 -g 10 -c:a aac -t 1 {options} {name}", folder)
    return folder / name


def streams(path: Path) -> list[tuple[str, str, str | None]]:
    with av.open(str(path)) as container:
        return [(each.type, each.codec_context.name, each.profile) for each in container.streams]


def packets(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(packet.size > 0 for packet in container.demux(container.streams.audio[0]))


@pytest.mark.parametrize("hit", [[0], [20], [12, 20, 30]])
def test_a_lost_header_of_adts_costs_its_packet_alone(tmp_path: Path, go: Go, hit: list[int]) -> None:
    source = make(tmp_path, "a.ts", "-pes_payload_size 1")  # a packet of AAC in each of the multiplex
    whole, data = packets(source), bytearray(source.read_bytes())
    starts = [at for at in range(len(data)) if data[at : at + 4] == b"\0\0\1\xc0"]
    assert len(starts) == whole
    for number in hit:
        header = starts[number] + 9 + data[starts[number] + 8]
        assert data[header] == 0xFF
        data[header] = 0
    source.write_bytes(data)
    way = go(source, scale=1)
    assert packets(way.output) == whole - len(hit)
    assert streams(way.output)[1:] == [("audio", "aac", "LC")]
    packet = "1 packet" if len(hit) == 1 else f"{len(hit)} packets"
    assert f"{packet} of AAC without a header, the first at" in way.result.facts["damage"]
    assert against_source(way.output, source, SplitConfig()) == []


def test_a_configuration_that_comes_again_leaves_the_masters_header_alone(tmp_path: Path, go: Go) -> None:
    source = make(tmp_path, "a.flv")
    data = source.read_bytes()
    tags, at = [], _FLV_HEADER
    while at < len(data):
        size = _TAG_HEADER + int.from_bytes(data[at + 1 : at + 4], "big") + 4
        tags.append(data[at : at + size])
        at += size
    head = next(tag for tag in tags if tag[0] == _AUDIO and tag[_TAG_HEADER + 1] == 0)
    middle = len(tags) // 2
    again = head[:4] + tags[middle][4:8] + head[8:]
    source.write_bytes(data[:_FLV_HEADER] + b"".join([*tags[:middle], again, *tags[middle:]]))
    way = go(source, scale=1)
    assert [kind for kind, *_ in streams(way.output)] == ["video", "audio"]
    assert streams(way.output)[1] == ("audio", "aac", "LC") and way.result.facts["damage"] == ""
    assert against_source(way.output, source, SplitConfig()) == []
