"""Numbers and times as people read them."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """Seconds as "12 s", "3.4 min", "5.6 h" or "7.8 days"."""
    for limit, unit, name in ((90, 1, "s"), (5400, 60, "min"), (172800, 3600, "h")):
        if seconds < limit:
            return f"{seconds / unit:.{0 if unit == 1 and seconds >= 10 else 1}f} {name}"
    return f"{seconds / 86400:.1f} days"


def plural(word: str, count: int) -> str:
    """The word, with an s unless there is one."""
    return word if count == 1 else f"{word}s"


def timecode(milliseconds: int) -> str:
    """Milliseconds as "1:02:03.456"; hours only where there are any."""
    sign, rest = ("-", -milliseconds) if milliseconds < 0 else ("", milliseconds)
    minutes, thousandths = divmod(rest, 60_000)
    hours, minutes = divmod(minutes, 60)
    told = f"{thousandths // 1000:02}.{thousandths % 1000:03}"
    return f"{sign}{hours}:{minutes:02}:{told}" if hours else f"{sign}{minutes}:{told}"


def size(count: float) -> str:
    """Bytes as "12 kB", "3.4 GB"."""
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if count < 1000 or unit == "TB":
            return f"{count:.0f} {unit}" if unit in ("bytes", "kB") else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError


def figure(value: float | None, digits: int = 2) -> str:
    """A figure, "–" where there is none."""
    return "–" if value is None else f"{value:.{digits}f}"
