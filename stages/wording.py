"""Numbers and names of things as people read them."""

from __future__ import annotations


def counted(number: int, thing: str) -> str:
    """Return "1 video", "2 videos", "0 videos"."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


def plain(name: str) -> str:
    """Return a name as it is if it is UTF-8, else with its other bytes as ``\\xe9``: manifest and reports are UTF-8."""
    return name.encode(errors="surrogateescape").decode(errors="backslashreplace")
