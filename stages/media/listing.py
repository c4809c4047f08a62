"""What FFmpeg prints of a container, for facts of which PyAV does not know."""

from __future__ import annotations

from typing import Any

import av.logging


def listing(container: Any) -> str:
    """FFmpeg's list of the streams of an open container, with what belongs to each of them."""
    level = av.logging.get_level()
    av.logging.set_level(av.logging.INFO)  # at which FFmpeg writes its list
    try:
        return str(container.dumps_format())
    finally:
        av.logging.set_level(level)
