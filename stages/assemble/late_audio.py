"""Audio that only the ffmpeg program writes into Matroska: WMA, mu-law, ADPCM, AMR and others under Microsoft's tags.

FFmpeg's libraries say that Matroska does not hold them, and PyAV goes by that. The program copies them all the same, as
``A_MS/ACM``, and players read them. So they are added in a second pass over the finished file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import av
import ffmpeg

from stages.assemble.audio_digest import PacketDigest, audio_digests
from stages.assemble.clock import clock_of
from stages.assemble.presented import presented
from stages.assemble.ticks import TICK, to_ticks
from stages.media.demuxing import demux, far_options, open_every_stream
from stages.media.ffmpeg import file_url, open_input, run
from stages.media.probe import video_stream


def add_late_audio(
    path: Path, source: Path, streams: Sequence[int], shift: int, position: int
) -> list[tuple[int, PacketDigest]]:
    """Add audio streams of the source to a Matroska file, behind those that it has.

    Args:
        path: the file; replaced.
        source: the video that the file was made from.
        streams: indices of the source's streams.
        shift: milliseconds to add to their timestamps.
        position: number of streams in the file, attachments not counted.

    Returns:
        (index of the finished file's stream, digest of the source's packets) for each of them.

    Raises:
        FfmpegError: ffmpeg failed.
    """
    target, moved = path.with_name(f"{path.name}.joined"), path.with_name(f"{path.name}.nut")
    ours = open_input(path, copyts=None)
    theirs = open_input(source, copyts=None, itsoffset=shift / 1000, **far_options(source))
    names = [str(index) for index in streams]
    if clock_of(source).stretches[1:]:
        _write_moved(source, moved, streams, shift)
        theirs, names = open_input(moved, copyts=None), [str(number) for number in range(len(streams))]
    options = {
        "c": "copy",
        "map_metadata": 0,
        "map_chapters": 0,
        "fflags": "+bitexact",
        "avoid_negative_ts": "disabled",
    }
    inputs = [ours, *(theirs[name] for name in names)]
    run(ffmpeg.output(*inputs, file_url(target), format="matroska", **options))
    target.replace(path)
    moved.unlink(missing_ok=True)
    return list(enumerate(audio_digests(source, streams), start=position))


def late_packets(source: Path, streams: Sequence[int], shift: int) -> Iterator[tuple[int, Any]]:
    """(tick in the finished file, packet) of audio streams of the source, moved with the pictures where those are.

    Args:
        source: the video.
        streams: indices of its streams.
        shift: milliseconds by which all timestamps are moved.
    """
    clock = clock_of(source)
    last = dict.fromkeys(streams, 0)
    with open_every_stream(source) as container:
        pictures = [video_stream(container, source.name)] if clock.stretches else []
        for packet in presented(demux(container, [*pictures, *(container.streams[index] for index in streams)])):
            index, time_base = packet.stream.index, packet.time_base
            if index not in last:
                clock.pass_picture(packet)
                continue
            pts = packet.pts if packet.pts is not None else packet.dts
            if pts is not None:
                offset = clock.offset(index, pts * time_base, (packet.duration or 0) * time_base)
                last[index] = to_ticks(pts + round(offset / time_base), time_base) + shift
            yield last[index], packet


def _write_moved(source: Path, target: Path, streams: Sequence[int], shift: int) -> None:
    """The streams in a file of NUT, which holds whatever FFmpeg knows, at the times of the finished file."""
    with (
        open_every_stream(source) as container,
        av.open(file_url(target), "w", format="nut", options={"fflags": "+bitexact"}) as output,
    ):
        copies = {index: output.add_stream_from_template(container.streams[index]) for index in streams}
        for index, copy in copies.items():
            copy.metadata.update(container.streams[index].metadata)
        for tick, packet in late_packets(source, streams, shift):
            index = packet.stream.index
            packet.time_base, packet.pts, packet.dts = TICK, tick, tick
            packet.stream = copies[index]
            output.mux(packet)
