"""Numbers and names of things as people read them."""

from __future__ import annotations

import re


def counted(number: int, thing: str) -> str:
    """Return "1 video", "2 videos", "0 videos"."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


def plain(name: str) -> str:
    """Return a name as it is if it is UTF-8, else with its other bytes as ``\\xe9``: manifest and reports are UTF-8."""
    return name.encode(errors="surrogateescape").decode(errors="backslashreplace")


def in_one_line(text: str) -> str:
    """Return a text with what would break its line, or steer a terminal, as ``\\n``, ``\\x1b``: names may hold it."""
    return re.sub(
        r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", lambda found: found[0].encode("unicode_escape").decode("ascii"), text
    )
