"""What Matroska can hold."""

from __future__ import annotations

import functools
import io
import tempfile
from pathlib import Path
from typing import Any

import av
import ffmpeg

from stages.contract import ItemError
from stages.media.ffmpeg import FfmpegError, file_url, open_input, run
from stages.media.probe import open_video


@functools.cache
def held_codecs() -> frozenset[str]:
    """Names of the codecs whose packets FFmpeg writes into Matroska as they are."""
    with av.open(io.BytesIO(), "w", format="matroska") as container:
        return frozenset(container.supported_codecs)


def announced_only(stream: Any) -> bool:
    """Whether an audio stream stands in a header and nowhere else: not even its sample rate is known."""
    return stream.type == "audio" and (stream.codec_context is None or not stream.codec_context.sample_rate)


def holds(stream: Any) -> bool:
    """Whether the packets of a stream can be copied into Matroska by PyAV."""
    return stream.codec_context is not None and stream.codec_context.codec.name in held_codecs()


def holds_late(path: Path, index: int) -> bool:
    """Whether the ffmpeg program copies a stream into Matroska that PyAV does not; found out by letting it try."""
    with tempfile.TemporaryDirectory() as folder:
        target = file_url(Path(folder) / "try.mkv")
        try:
            run(ffmpeg.output(open_input(path)[str(index)], target, c="copy", t=1, format="matroska"))
        except FfmpegError:
            return False
    return True


def path_of(container: Any) -> Path:
    """The file that a container was opened from."""
    return Path(container.name.removeprefix("file:"))


def check_audio(container: Any, name: str) -> None:
    """See that all audio of a video can be copied, before anybody spends hours on its frames.

    Raises:
        ItemError: an audio stream cannot.
    """
    for stream in container.streams:
        if stream.type != "audio" or announced_only(stream):
            continue
        if holds(stream):
            continue
        codec = stream.codec_context.name if stream.codec_context is not None else "unknown"
        if not holds_late(path_of(container), stream.index):
            raise ItemError(
                f"{name}: audio stream {stream.index} ({codec}) cannot be copied into Matroska; convert it to FLAC"
            )
        if _skips(path_of(container), stream.index):
            raise ItemError(
                f"{name}: audio stream {stream.index} ({codec}) cannot be copied into Matroska, because its edit list "
                "cuts it; convert it to FLAC"
            )


def _skips(path: Path, index: int) -> bool:
    """Whether an edit list skips packets of a stream, which the ffmpeg program would copy all the same."""
    with open_video(path) as container:
        try:
            return any(packet.is_discard for packet in container.demux(container.streams[index]))
        except av.error.FFmpegError:  # it breaks off, and so will the copy
            return False
