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


def changed_codec(path: Path) -> dict[int, tuple[str, str]]:
    """Index of each stream that becomes another in the middle (a program map of MPEG-TS) -> kind and codec of both."""
    return dict(_scanned(path)[2])


_Scan = tuple[bool, tuple[tuple[int, str], ...], tuple[tuple[int, tuple[str, str]], ...]]


def _scanned(path: Path) -> _Scan:
    """Whether a file must be opened with ``_FAR``; if so, the (index, text) of all its streams; what changes."""
    if not path.is_file():
        return False, (), ()
    stat = path.stat()
    return _scan(path, stat.st_size, stat.st_mtime_ns)


@functools.lru_cache(maxsize=16)
def _scan(path: Path, size: int, changed: int) -> _Scan:
    with open_video(path) as container:
        if container.format.name not in GROWING and not _is_dv(container):
            return False, (), ()
        before = stream_names(container)
        try:
            for _ in demux(container):
                pass
        except av.error.FFmpegError:  # it breaks off, and so will every other reading
            pass
        names = stream_names(container)
        late = len(names) > len(container.streams) or any(announced_only(each) for each in container.streams)
        every = tuple((index, f"{index} {name}") for index, name in names.items()) if late else ()
        return late, every, tuple(_changes(container, before, names))


def _changes(container: Any, before: dict[int, str], names: dict[int, str]) -> Iterator[tuple[int, tuple[str, str]]]:
    for stream in container.streams:
        old, new = before.get(stream.index, ""), names.get(stream.index, "")
        known = stream.codec_context is not None and not announced_only(stream)
        if container.format.name == "mpegts" and known and old and new and _kin(old) != _kin(new):
            yield stream.index, (old, new)


def _kin(name: str) -> str:
    """Layers of MPEG audio are told apart by every packet."""
    return name[:-1] if name in ("audio mp1", "audio mp2", "audio mp3") else name


def _is_dv(container: Any) -> bool:
    """Whether a file is an AVI of DV, in whose frames the sound may lie (type 1)."""
    codecs = [stream.codec_context.name for stream in container.streams.video if stream.codec_context is not None]
    return container.format.name == "avi" and "dvvideo" in codecs
