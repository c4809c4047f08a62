"""What tables for people call a video; records and JSON have the whole of it."""

from __future__ import annotations

import os
import re
from pathlib import Path


def here(text: str) -> str:
    """Return a text with the paths in it that lie below the working folder as one would type them there."""
    try:
        folder = str(Path.cwd()).rstrip(os.sep)
    except FileNotFoundError:  # removed under a long run, whose results are told all the same
        return text
    return re.sub(rf"(?<![^\s'\"(]){re.escape(folder + os.sep)}", "", text) if folder else text


def unnamed(message: str, source: str) -> str:
    """Return a message without the name of the video that it begins with, because that stands beside it."""
    for name in (source, Path(source).name):
        if message.startswith(f"{name}: "):
            return message[len(name) + 2 :]
    return message
