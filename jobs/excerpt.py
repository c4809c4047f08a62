"""A few seconds out of the middle of a video, without loss, to judge settings and to measure speed by."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from stages.assemble.presented import presented
from stages.contract import ItemError
from stages.media.demuxing import announced_only, demux, open_every_stream
from stages.media.ffmpeg import file_url
from stages.media.matroska import holds
from stages.media.probe import VideoFacts, describe, open_video
from stages.split.reading import PictureReader

_ASTRAY = 10
"""Seconds by which sound may be stored before or after the pictures that it belongs to."""


def excerpt(source: Path, target: Path, seconds: float, crop: float = 1.0) -> int:
    """Write ``target`` (FFV1 in Matroska): ``seconds`` from the middle of ``source``; return its frames.

    The sound goes along packet by packet, from the first packet that begins within the pictures; streams that only the
    ffmpeg program writes into Matroska (WMA, mu-law), and those that Matroska cannot hold, do not.

    Args:
        source: a video.
        target: the file to write.
        seconds: how long; a video that is shorter is taken whole.
        crop: share of each side that is kept, around the top left corner, in steps of 16 samples.

    Raises:
        ItemError: the source cannot be read, or not be written as FFV1 with its sound.
        OSError: the target cannot be written.
    """
    silent = target.with_name(f"silent-{target.name}")
    try:
        count, begin, end = _write_pictures(source, silent, seconds, crop)
        if not count:
            raise ItemError(f"{source.name}: none of its frames can be decoded; fetch it again")
        _add_sound(silent, source, target, begin, end)
    except av.error.FFmpegError as error:
        if isinstance(error, OSError):
            raise
        raise ItemError(
            f"{source.name}: no excerpt can be made of it ({error.strerror}); take another video"
        ) from error
    finally:
        silent.unlink(missing_ok=True)
    return count


def _write_pictures(
    source: Path, target: Path, seconds: float, crop: float, total: int | None = None
) -> tuple[int, Fraction, Fraction]:
    """Return how many frames were written, and when the first begins and the last ends in the source, in seconds.

    ``total``: number of frames; None: what the header says.
    """
    with open_video(source) as container:
        facts = describe(container, source.name)
        wanted = max(1, round(seconds * facts.rate))
        promised = facts.frames or round(facts.duration * facts.rate)
        first = max(0, ((promised if total is None else total) - wanted) // 2)
        count = begin = last = 0
        reader = PictureReader(container, facts)
        with av.open(file_url(target), "w", format="matroska") as out:
            stream = None
            for number, (picture, stamp) in enumerate(reader):
                if number < first:
                    continue
                if crop < 1.0:
                    sides = (max(16, int(side * crop) // 16 * 16) for side in (picture.width, picture.height))
                    picture = _cropped(picture, *sides)
                if stream is None:
                    begin, stream = stamp.pts, _add_stream(out, picture, container, facts)
                last = stamp.pts
                picture.pts, picture.time_base = stamp.pts - begin, facts.time_base
                out.mux(stream.encode(picture))
                count += 1
                if count == wanted:
                    break
            if stream is not None:
                out.mux(stream.encode(None))
    if not count and total is None and reader.frames:  # the file breaks off before the middle that its header has
        return _write_pictures(source, target, seconds, crop, reader.frames)
    return count, begin * facts.time_base, (last + reader.nominal) * facts.time_base


def _add_stream(out: Any, picture: av.VideoFrame, container: Any, facts: VideoFacts) -> Any:
    stream = out.add_stream("ffv1", rate=facts.rate)
    stream.width, stream.height = picture.width, picture.height
    stream.pix_fmt, stream.time_base = picture.format.name, facts.time_base
    stream.codec_context.time_base = facts.time_base
    for name in ("colorspace", "color_range", "color_primaries", "color_trc"):
        setattr(stream.codec_context, name, getattr(container.streams[facts.index].codec_context, name))
    stream.codec_context.sample_aspect_ratio = facts.sar
    return stream


def _add_sound(pictures: Path, source: Path, target: Path, begin: Fraction, end: Fraction) -> None:
    """Write ``target``: the pictures, and the source's audio packets that begin between ``begin`` and ``end``."""
    with (
        av.open(file_url(pictures), "r", format="matroska") as silent,
        open_every_stream(source) as sounding,
        av.open(file_url(target), "w", format="matroska") as out,
    ):
        heard = [stream for stream in sounding.streams.audio if not announced_only(stream) and holds(stream)]
        video = out.add_stream_from_template(silent.streams.video[0])
        tracks = {stream.index: out.add_stream_from_template(stream) for stream in heard}
        shown = ((packet.pts * packet.time_base, video, packet) for packet in silent.demux(video=0) if packet.size)
        sounds = ((time, tracks[packet.stream.index], packet) for time, packet in _sounds(sounding, heard, begin, end))
        for _, track, packet in heapq.merge(shown, sounds, key=lambda each: each[0]):
            packet.stream = track
            out.mux(packet)


def _sounds(container: Any, streams: list[Any], begin: Fraction, end: Fraction) -> Iterator[tuple[Fraction, Any]]:
    """Audio packets of the span with their times in it; both count from ``begin``."""
    if not streams:
        return
    for packet in presented(demux(container, streams)):
        if packet.pts is None:
            continue
        time = packet.pts * packet.time_base
        if time > end + _ASTRAY:
            return
        if begin <= time < end:
            packet.pts = packet.dts = round((time - begin) / packet.time_base)
            yield time - begin, packet


def _cropped(picture: av.VideoFrame, width: int, height: int) -> av.VideoFrame:
    graph = av.filter.Graph()
    source = graph.add_buffer(
        width=picture.width, height=picture.height, format=picture.format, time_base=picture.time_base
    )
    graph.link_nodes(source, graph.add("crop", f"{width}:{height}:0:0"), graph.add("buffersink")).configure()
    graph.vpush(picture)
    return graph.vpull()
