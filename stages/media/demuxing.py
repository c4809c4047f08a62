"""Packets of files whose streams are not all known when they are opened: MPEG-TS, MPEG-PS (VOB), FLV and DV.

FFmpeg lists the streams that it meets within some seconds and megabytes. One that first appears later is known only to
a reader who has gone that far; PyAV leaves its packets out.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av

from stages.media.listing import stream_names
from stages.media.probe import open_video

GROWING = ("mpeg", "mpegts", "flv", "live_flv", "dv")
"""Formats whose streams may first appear anywhere."""
_FAR = {"probesize": str(256 << 20), "analyzeduration": str(24 * 3600 * 10**6)}
"""How far to look for streams in files that have later ones. FFmpeg keeps in memory what it reads for that."""


def demux(container: Any, *streams: Any) -> Iterator[Any]:
    """Like the container's own ``demux``, to the end also of a file in which a stream appears that was not known."""
    packets = container.demux(*streams)
    while True:
        try:
            packet = next(packets, None)
        except IndexError:  # PyAV flushes a stream that it does not list, after all those that it does
            return
        if packet is None:
            return
        yield packet


def announced_only(stream: Any) -> bool:
    """Whether an audio stream stands in a header and nowhere near the beginning: not even its sample rate is known."""
    return stream.type == "audio" and (stream.codec_context is None or not stream.codec_context.sample_rate)


def open_every_stream(path: Path) -> Any:
    """``open_video``, with those streams, too, that first appear in the middle of the file.

    MPEG-TS, MPEG-PS, FLV, DV and AVI of DV are read once from end to end to find them.

    Raises:
        ItemError: see ``open_video``.
    """
    return open_video(path, options=far_options(path))


def far_options(path: Path) -> dict[str, str]:
    """FFmpeg's options with which it finds all streams of a file; none where it finds them anyway."""
    return dict(_FAR) if _scanned(path)[0] else {}


def unlisted(container: Any, path: Path) -> list[str]:
    """Streams, as text, that appear so late in a file that its container does not have them even so."""
    return [stream for index, stream in _scanned(path)[1] if index >= len(container.streams)]


def _scanned(path: Path) -> tuple[bool, tuple[tuple[int, str], ...]]:
    """Whether a file must be opened with ``_FAR``, and the (index, text) of all its streams, if it must."""
    if not path.is_file():
        return False, ()
    stat = path.stat()
    return _scan(path, stat.st_size, stat.st_mtime_ns)


@functools.lru_cache(maxsize=16)
def _scan(path: Path, size: int, changed: int) -> tuple[bool, tuple[tuple[int, str], ...]]:
    with open_video(path) as container:
        if container.format.name not in GROWING and not _is_dv(container):
            return False, ()
        try:
            for _ in demux(container):
                pass
        except av.error.FFmpegError:  # it breaks off, and so will every other reading
            pass
        names = stream_names(container)
        late = len(names) > len(container.streams) or any(announced_only(each) for each in container.streams)
        return late, tuple((index, f"{index} {name}") for index, name in names.items()) if late else ()


def _is_dv(container: Any) -> bool:
    """Whether a file is an AVI of DV, in whose frames the sound may lie (type 1)."""
    codecs = [stream.codec_context.name for stream in container.streams.video if stream.codec_context is not None]
    return container.format.name == "avi" and "dvvideo" in codecs
