"""What FFmpeg prints of a container, for facts of which PyAV does not know."""

from __future__ import annotations

import re
from typing import Any

import av.logging

_STREAM = re.compile(r"^ *Stream #0:(\d+)[^:]*: (\w+): ([^\s,]+)(?: \((\w+) +/)?", re.MULTILINE)
_NAMELESS = ("none", "unknown")


def listing(container: Any) -> str:
    """FFmpeg's list of the streams of an open container, with what belongs to each of them."""
    level = av.logging.get_level()
    av.logging.set_level(av.logging.INFO)  # at which FFmpeg writes its list
    try:
        return str(container.dumps_format())
    finally:
        av.logging.set_level(level)


def stream_names(container: Any) -> dict[int, str]:
    """Index of every stream that FFmpeg has met -> its kind and codec, or the container's tag of it, as text."""
    found = {}
    for index, kind, codec, tag in _STREAM.findall(listing(container)):
        name = tag if codec in _NAMELESS else codec
        found[int(index)] = f"{kind.lower()} {name}".strip()
    return found
