"""A few seconds out of the middle of a video, without loss, to judge settings and to measure speed by."""

from __future__ import annotations

from pathlib import Path

import av

from stages.contract import ItemError
from stages.media.ffmpeg import file_url
from stages.media.probe import describe, open_video


def excerpt(source: Path, target: Path, seconds: float, crop: float = 1.0) -> int:
    """Write ``target`` (FFV1 in Matroska, without sound): ``seconds`` from the middle of ``source``; return its frames.

    Args:
        source: a video.
        target: the file to write.
        seconds: how long; a video that is shorter is taken whole.
        crop: share of each side that is kept, around the top left corner, in steps of 16 samples.

    Raises:
        ItemError: the source cannot be read.
    """
    with open_video(source) as container:
        facts = describe(container, source.name)
        wanted = max(1, round(seconds * facts.rate))
        total = facts.frames or round(facts.duration * facts.rate)
        first = max(0, (total - wanted) // 2)
        count = 0
        with av.open(file_url(target), "w", format="matroska") as out:
            stream = None
            for number, picture in enumerate(container.decode(container.streams[facts.index])):
                if number < first or picture.pts is None:
                    continue
                if crop < 1.0:
                    sides = (max(16, int(side * crop) // 16 * 16) for side in (picture.width, picture.height))
                    picture = _cropped(picture, *sides)
                if stream is None:
                    begin = picture.pts
                    stream = out.add_stream("ffv1", rate=facts.rate)
                    stream.width, stream.height = picture.width, picture.height
                    stream.pix_fmt, stream.time_base = picture.format.name, facts.time_base
                    stream.codec_context.time_base = facts.time_base
                    for name in ("colorspace", "color_range", "color_primaries", "color_trc"):
                        setattr(stream.codec_context, name, getattr(container.streams[facts.index].codec_context, name))
                    stream.codec_context.sample_aspect_ratio = facts.sar
                picture.pts, picture.time_base = picture.pts - begin, facts.time_base
                out.mux(stream.encode(picture))
                count += 1
                if count == wanted:
                    break
            if stream is not None:
                out.mux(stream.encode(None))
    if not count:
        raise ItemError(f"{source.name}: none of its frames can be decoded; fetch it again")
    return count


def _cropped(picture: av.VideoFrame, width: int, height: int) -> av.VideoFrame:
    graph = av.filter.Graph()
    source = graph.add_buffer(
        width=picture.width, height=picture.height, format=picture.format, time_base=picture.time_base
    )
    graph.link_nodes(source, graph.add("crop", f"{width}:{height}:0:0"), graph.add("buffersink")).configure()
    pts, graph_input = picture.pts, picture
    graph.vpush(graph_input)
    done = graph.vpull()
    done.pts = pts
    return done
