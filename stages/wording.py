"""Numbers of things as people read them."""

from __future__ import annotations


def counted(number: int, thing: str) -> str:
    """Return "1 video", "2 videos", "0 videos"."""
    return f"{number} {thing}{'' if number == 1 else 's'}"
