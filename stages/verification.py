"""A finished video against its source and its fixity file: every difference as one line of text."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from itertools import zip_longest
from pathlib import Path

import av

from stages.assemble.audio_digest import PacketDigest, audio_digests
from stages.assemble.captions import rate_of, read_captions, source_captions
from stages.assemble.check import write_framemd5
from stages.assemble.ticks import to_ticks
from stages.media.ffmpeg import FfmpegError, file_url
from stages.media.matroska import announced_only, holds, holds_late
from stages.media.probe import open_video
from stages.split.config import SplitConfig
from stages.split.source import read_source

MOST = 10
"""Differences of one kind that are named one by one; the others are counted."""
_FIELDS = 6
"""Of a row of framemd5: stream, dts, pts, duration, size, MD5."""


def against_source(restored: Path, source: Path, config: SplitConfig, shift: int = 0) -> list[str]:
    """Recount frames, timestamps and audio packets of a finished video against those of its source.

    Args:
        restored: the Matroska file.
        source: what it was made from.
        config: how the source was read (deinterlacing changes which frames there are).
        shift: milliseconds by which all timestamps were moved.

    Returns:
        one line per difference; empty if there is none.

    Raises:
        ItemError: if the source cannot be read.
    """
    times, digests = _contents(restored)
    with read_source(source, config) as reader:
        expected = [to_ticks(stamp.pts, reader.facts.time_base) + shift for _, stamp in reader]
    return [*_times(times, expected), *_audio(digests, _audio_of(source))]


def against_captions(captions: Path, source: Path, shift: int = 0) -> list[str]:
    """Hold a caption file against the captions of its source.

    Args:
        captions: the MacCaption file.
        source: what it was made from.
        shift: milliseconds by which all timestamps were moved.

    Returns:
        one line if they differ; else nothing.
    """
    wanted, found = source_captions(source, rate_of(captions), shift), read_captions(captions)
    if found == wanted:
        return []
    return [f"{captions.name}: its {found.count} captions are not the source's {wanted.count}"]


def against_fixity(restored: Path, fixity: Path) -> list[str]:
    """Decode a finished video and compare every frame and audio packet with its framemd5.

    Returns:
        one line per difference; empty if there is none.
    """
    with tempfile.TemporaryDirectory() as folder:
        again = Path(folder) / "again.framemd5"
        rows = fixity.read_text(encoding="utf-8", errors="replace").splitlines()
        audio = any(row.startswith("#media_type 1: audio") for row in rows)
        try:
            write_framemd5(restored, again, audio)
        except FfmpegError as error:
            return [f"cannot be decoded whole: {error}"]
        return _shortened(_differing(rows, again.read_text().splitlines()), "rows of framemd5")


def _differing(expected: list[str], found: list[str]) -> Iterator[str]:
    before, now = _by_stream(expected), _by_stream(found)
    for stream in sorted(before.keys() | now.keys()):
        pairs = zip_longest(before.get(stream, []), now.get(stream, []), fillvalue="nothing")
        for number, (then, here) in enumerate(pairs):
            if then != here:
                place = f"stream {stream}, number {number}" if stream else "header"
                yield f"framemd5, {place}: {then} was recorded, {here} is there"


def _by_stream(rows: list[str]) -> dict[str, list[str]]:
    """Timestamp and MD5 of each row, by stream; the header's lines, and what is no row, under ""."""
    streams: dict[str, list[str]] = {}
    for row in rows:
        fields = [field.strip() for field in row.split(",")]
        whole = len(fields) == _FIELDS and not row.startswith("#")
        stream, fact = (fields[0], f"{fields[5]} at {fields[2]} ms") if whole else ("", row)
        streams.setdefault(stream, []).append(fact)
    return streams


def _contents(path: Path) -> tuple[list[int], list[PacketDigest]]:
    """Timestamps of all video packets in milliseconds, and the digest of each audio stream."""
    times: list[int] = []
    with av.open(file_url(path), "r", format="matroska", options={"protocol_whitelist": "file"}) as container:
        video = container.streams.video[0]
        digests = {stream.index: PacketDigest() for stream in container.streams.audio}
        for packet in container.demux(video, *container.streams.audio):
            if not packet.size:
                continue
            if packet.stream.index == video.index:
                times.append(int(packet.pts))
            else:
                digests[packet.stream.index].add(packet, packet.stream.codec_context.name)
    return times, list(digests.values())


def _audio_of(source: Path) -> list[PacketDigest]:
    """Digests of the streams that assemble copies, in the order in which it writes them."""
    with open_video(source) as container:
        audio = [stream for stream in container.streams.audio if not announced_only(stream)]
        held = [stream.index for stream in audio if holds(stream)]
        others = [stream.index for stream in audio if not holds(stream)]
    return audio_digests(source, [*held, *(index for index in others if holds_late(source, index))])


def _times(found: list[int], expected: list[int]) -> Iterator[str]:
    if len(found) != len(expected):
        yield f"{len(found)} frames, the source has {len(expected)}"
    differing = (
        f"frame {number} is at {now} ms, must be at {then} ms"
        for number, (now, then) in enumerate(zip(found, expected, strict=False))
        if now != then
    )
    yield from _shortened(differing, "timestamps")


def _audio(found: list[PacketDigest], expected: list[PacketDigest]) -> Iterator[str]:
    if len(found) != len(expected):
        yield f"{len(found)} audio streams, the source has {len(expected)}"
    for number, (now, then) in enumerate(zip(found, expected, strict=False)):
        if now != then:
            yield f"audio stream {number}: its {now.count} packets are not the source's {then.count}"


def _shortened(lines: Iterable[str], what: str) -> list[str]:
    every = list(lines)
    return every if len(every) <= MOST else [*every[:MOST], f"and {len(every) - MOST} more differing {what}"]
