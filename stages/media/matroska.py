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
from stages.media.decoded_sound import FLOATS, UnfitError, sample_form, told
from stages.media.demuxing import announced_only, changed_codec, demux, far_options, open_every_stream
from stages.media.ffmpeg import FfmpegError, file_url, open_input, run


@functools.cache
def held_codecs() -> frozenset[str]:
    """Names of the codecs whose packets FFmpeg writes into Matroska as they are."""
    with av.open(io.BytesIO(), "w", format="matroska") as container:
        return frozenset(container.supported_codecs)


def holds(stream: Any) -> bool:
    """Whether the packets of a stream can be copied into Matroska by PyAV."""
    return stream.codec_context is not None and stream.codec_context.codec.name in held_codecs()


def holds_late(path: Path, index: int) -> bool:
    """Whether the ffmpeg program copies a stream into Matroska that PyAV does not; found out by letting it try."""
    with tempfile.TemporaryDirectory() as folder:
        target = file_url(Path(folder) / "try.mkv")
        try:
            run(
                ffmpeg.output(
                    open_input(path, **far_options(path))[str(index)], target, c="copy", t=1, format="matroska"
                )
            )
        except FfmpegError:
            return False
    return True


def path_of(container: Any) -> Path:
    """The file that a container was opened from."""
    return Path(container.name.removeprefix("file:"))


def check_audio(container: Any, name: str, quick: bool = False) -> list[str]:
    """See that all audio of a video can be kept, before anybody spends hours on its frames.

    Args:
        container: the video.
        name: for messages.
        quick: do not read the file for streams that begin in the middle of it, nor for sound that changes there.

    Returns:
        a line for each stream that is not copied but decoded (see ``decoded_sound``).

    Raises:
        ItemError: an audio stream cannot be kept.
    """
    path = path_of(container)
    for index, (before, after) in changed_codec(path).items() if not quick else ():
        if before.startswith("audio"):
            raise ItemError(
                f"{name}: stream {index} changes from {before} to {after} in the middle, and Matroska has one codec "
                "for a stream; cut the file there and restore its parts"
            )
    if not quick and far_options(path):
        with open_every_stream(path) as every:
            return _check_streams(every, path, name, whole=True)
    return _check_streams(container, path, name, whole=not quick)


def _check_streams(container: Any, path: Path, name: str, whole: bool) -> list[str]:
    decoded = []
    for stream in container.streams:
        if stream.type != "audio" or announced_only(stream) or holds(stream):
            continue
        codec = stream.codec_context.name if stream.codec_context is not None else "unknown"
        cannot = f"{name}: audio stream {stream.index} ({codec}) cannot be copied into Matroska"
        if not holds_late(path, stream.index):
            try:
                decoded.append(told(stream.index, codec, sample_form(path, stream.index, whole)))
            except UnfitError as error:
                raise ItemError(f"{cannot}{error}; convert it to {FLOATS.get(codec, 'FLAC')}") from None
        elif _skips(path, stream.index):
            raise ItemError(f"{cannot}, because its edit list cuts it; convert it to FLAC")
    return decoded


def _skips(path: Path, index: int) -> bool:
    """Whether an edit list skips packets of a stream, which the ffmpeg program would copy all the same."""
    with open_every_stream(path) as container:
        try:
            return any(packet.is_discard for packet in demux(container, container.streams[index]))
        except av.error.FFmpegError:  # it breaks off, and so will the copy
            return False
