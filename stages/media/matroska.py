"""What Matroska can hold."""

from __future__ import annotations

import functools
import io
from typing import Any

import av

from stages.contract import ItemError


@functools.cache
def held_codecs() -> frozenset[str]:
    """Names of the codecs whose packets FFmpeg writes into Matroska as they are."""
    with av.open(io.BytesIO(), "w", format="matroska") as container:
        return frozenset(container.supported_codecs)


def holds(stream: Any) -> bool:
    """Whether the packets of a stream can be copied into Matroska."""
    return stream.codec_context is not None and stream.codec_context.codec.name in held_codecs()


def check_audio(container: Any, name: str) -> None:
    """See that all audio of a video can be copied, before anybody spends hours on its frames.

    Raises:
        ItemError: an audio stream cannot.
    """
    for stream in container.streams:
        if stream.type == "audio" and not holds(stream):
            codec = stream.codec_context.name if stream.codec_context is not None else "unknown"
            raise ItemError(
                f"{name}: audio stream {stream.index} ({codec}) cannot be copied into Matroska; convert it to FLAC"
            )
