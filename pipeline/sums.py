"""Lists of SHA-256 sums as ``sha256sum`` writes and reads them: a row for each file, odd names escaped."""

from __future__ import annotations

import re
from collections.abc import Iterator

_ROW = re.compile(r"(\\?)([0-9A-Fa-f]+)[ \t][ *]?(.+)")
_ESCAPES = {"\\": "\\\\", "\n": "\\n", "\r": "\\r"}
_MEANT = {escaped: plain for plain, escaped in _ESCAPES.items()}


def sums_row(sha256: str, name: str) -> str:
    """Return the row of one file, with its line break; one whose name must be escaped begins with a backslash."""
    escaped = re.sub(r"[\\\n\r]", lambda found: _ESCAPES[found[0]], name)
    return f"{'' if escaped == name else chr(92)}{sha256}  {escaped}\n"


def read_sums(text: str) -> Iterator[tuple[str, str]]:
    """Yield SHA-256 and name of every row; both are "" for a row that is none."""
    rows = text.split("\n")  # not splitlines: a name may hold what that takes for the end of a line
    for row in rows if rows[-1] else rows[:-1]:
        match = _ROW.fullmatch(row.removesuffix("\r"))
        if match is None:
            yield "", ""
            continue
        marked, sha256, name = match.groups()
        yield sha256.lower(), re.sub(r"\\[\\nr]", lambda found: _MEANT[found[0]], name) if marked else name
