"""The places that people name: whether they are local, where they are then, and how they may be shown."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

_LOCAL = ("file://", "local://")
MAGIC = "*?["
"""The signs that make a glob of a name."""


def is_local(url: str) -> bool:
    """Whether a place is on a local file system."""
    return "://" not in url or url.startswith(_LOCAL)


def local_path(url: str) -> Path:
    """Return the path of a local place, absolute but with its symbolic links as they are."""
    # Not by pathlib: it refuses a name like ``~$tape.mkv``, for want of a user of that name.
    path = url.partition("://")[2] if "://" in url else os.path.expanduser(url)  # noqa: PTH111
    return Path(os.path.abspath(path))  # noqa: PTH100


def real_path(path: Path) -> Path:
    """Return a path with its symbolic links followed; one that leads in a circle stays, where pathlib would raise."""
    return Path(os.path.realpath(path))


def anywhere(path: str | Path | None) -> str | None:
    """Return a local path as it can be read from any folder; None stays."""
    return None if path is None else str(local_path(str(path)))


def same_host(fs: Any, url: str, other: str) -> bool:
    """Whether one of fsspec's file systems takes the same from two URLs besides the path: host, port, user, if any."""
    return bool(type(fs)._get_kwargs_from_urls(url) == type(fs)._get_kwargs_from_urls(other))


def redact(url: str) -> str:
    """Return a URL without user, password and parameters, in every link of a chain; a local path as it is."""
    return "::".join(map(_redact, re.split(r"::(?=[\w+.-]+://)", url)))


def _redact(link: str) -> str:
    protocol, mark, rest = link.partition("://")
    if not mark:
        return link
    host, slash, path = without_parameters(rest, link).partition("/")
    return f"{protocol}://{host.rpartition('@')[2]}{slash}{path}"


def without_parameters(path: str, url: str) -> str:
    """Return a path as the file system of ``url`` has it, without parameters: a signature there is part of no name.

    On the web ``?`` and ``#`` end a path. Elsewhere they belong to names, unless parameters follow (``?key=value``).
    """
    web = url.partition("://")[0].rpartition("::")[2] in ("http", "https")
    return re.split(r"[?#]" if web else r"\?(?=[^/?=]+=)", path, maxsplit=1)[0]


def without_secrets(text: str) -> str:
    """Return a message with every URL in it redacted: clients of the web like to quote the one they were given."""
    # An apostrophe may be part of a URL, unless the URL is quoted by one. So may a space, which ends what is found.
    text = re.sub(r"(?<=')[\w+.:-]+://[^\s']+|[\w+.:-]+://[^\s\"]+", lambda found: redact(found[0]), text)
    return re.sub(r"\?[\w.~%-]+=[^\s'\"]*", "", text) if "://" in text else text
