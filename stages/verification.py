"""A finished video against its source and its fixity file: every difference as one line of text."""

from __future__ import annotations

import tempfile
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice, repeat, zip_longest
from pathlib import Path

import av

from stages.assemble.audio_digest import AudioDigest, PacketDigest
from stages.assemble.captions import rate_of, read_captions, source_captions
from stages.assemble.check import write_framemd5
from stages.assemble.sound import Sound, expected_sound
from stages.assemble.ticks import to_ticks
from stages.media.ffmpeg import FfmpegError, file_url
from stages.split.config import SplitConfig
from stages.split.source import read_source

MOST = 10
"""Differences of one kind that are named one by one; the others are counted."""
_FIELDS = 6
"""Of a row of framemd5: stream, dts, pts, duration, size, MD5."""


def against_source(restored: Path, source: Path, config: SplitConfig, shift: int = 0) -> list[str]:
    """Recount frames, audio packets and the timestamps of both of a finished video against those of its source.

    Of sound that is decoded (see ``stages.media.decoded_sound``), the samples are compared, and when its packets are.

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
    with read_source(source, config) as reader:
        expected = array("q", (to_ticks(stamp.pts, reader.facts.time_base) + shift for _, stamp in reader))
    heard = expected_sound(source, expected[0] - shift if expected else 0, shift)
    times, sounds = _contents(restored, [each.digest for each in heard])
    return [*_times(times, expected), *_audio(sounds, heard)]


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
    """Decode a finished video and compare every frame and audio packet with its framemd5, a row in memory at a time.

    Returns:
        one line per difference; empty if there is none.
    """
    with tempfile.TemporaryDirectory() as folder:
        again = Path(folder) / "again.framemd5"
        try:
            write_framemd5(restored, again, _has_audio(restored))
        except FfmpegError as error:
            return [f"cannot be decoded whole: {error}"]
        return _shortened(_differing(fixity, again), "rows of framemd5")


def _has_audio(restored: Path) -> bool:
    """Whether a file has sound that its framemd5 must have, too; what cannot be opened is told when it is decoded."""
    try:
        with av.open(file_url(restored), "r", format="matroska", options={"protocol_whitelist": "file"}) as container:
            return bool(container.streams.audio)
    except (av.FFmpegError, OSError):
        return False


def _differing(fixity: Path, again: Path) -> Iterator[str]:
    """Stream by stream, each in a reading of its own: streams are few, rows are not."""
    streams = {"", *(stream for stream, _ in _rows(again))}
    for stream in sorted(streams):
        pairs = zip_longest(_of_stream(stream, fixity), _of_stream(stream, again), fillvalue="nothing")
        for number, (then, here) in enumerate(pairs):
            if then != here:
                place = f"stream {stream}, number {number}" if stream else "header"
                yield f"framemd5, {place}: {then} was recorded, {here} is there"
    numbers: Counter[str] = Counter()
    for stream, fact in _rows(fixity):
        if stream not in streams:
            yield f"framemd5, stream {stream}, number {numbers[stream]}: {fact} was recorded, nothing is there"
            numbers[stream] += 1


def _of_stream(stream: str, path: Path) -> Iterator[str]:
    return (fact for found, fact in _rows(path) if found == stream)


def _rows(path: Path) -> Iterator[tuple[str, str]]:
    """Stream, timestamp and MD5 of each row; the header's lines, and what is no row, are of the stream ""."""
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            row = line.rstrip("\n")
            fields = row.split(",")
            if len(fields) == _FIELDS and not row.startswith("#"):
                yield fields[0].strip(), f"{fields[5].strip()} at {fields[2].strip()} ms"
            else:
                yield "", row


def _contents(path: Path, expected: Sequence[AudioDigest]) -> tuple[Sequence[int], list[Sound]]:
    """Timestamps of all video packets in milliseconds, and each audio stream, in the way that is expected of it."""
    times = array("q")
    with av.open(file_url(path), "r", format="matroska", options={"protocol_whitelist": "file"}) as container:
        video = container.streams.video[0]
        kinds = chain(expected, repeat(PacketDigest()))
        pairs = zip(container.streams.audio, kinds, strict=False)
        sounds = {stream.index: Sound(kind.like(stream)) for stream, kind in pairs}
        for packet in container.demux(video, *container.streams.audio):
            if not packet.size:
                continue
            if packet.stream.index == video.index:
                times.append(int(packet.pts))
            else:
                sound = sounds[packet.stream.index]
                sound.digest.add(packet, packet.stream.codec_context.name)
                sound.times.append(int(packet.pts))
    return times, list(sounds.values())


def _times(found: Sequence[int], expected: Sequence[int]) -> Iterator[str]:
    if len(found) != len(expected):
        yield f"{len(found)} frames, the source has {len(expected)}"
    differing = (
        f"frame {number} is at {now} ms, must be at {then} ms"
        for number, (now, then) in enumerate(zip(found, expected, strict=False))
        if now != then
    )
    yield from _shortened(differing, "timestamps")


def _audio(found: list[Sound], expected: list[Sound]) -> Iterator[str]:
    if len(found) != len(expected):
        yield f"{len(found)} audio streams, the source has {len(expected)}"
    for number, (now, then) in enumerate(zip(found, expected, strict=False)):
        if now.digest != then.digest:
            yield f"audio stream {number}: its {now.digest.told} are not the source's {then.digest.told}"
            continue
        moved = [place for place, (here, there) in enumerate(zip(now.times, then.times, strict=True)) if here != there]
        if moved:
            first, count = moved[0], f"{len(moved)} of {now.digest.count}"
            yield (
                f"audio stream {number}: packets at other times than in the source: {count}; "
                f"the first, number {first}, is at {now.times[first]} ms, must be at {then.times[first]} ms"
            )


def _shortened(lines: Iterable[str], what: str) -> list[str]:
    left = iter(lines)
    first = list(islice(left, MOST))
    more = sum(1 for _ in left)
    return [*first, f"and {more} more differing {what}"] if more else first
