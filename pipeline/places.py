"""The places that people name: whether they are local, where they are then, and how they may be shown."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

_LOCAL = ("file://", "local://")
MAGIC = "*?["
"""The signs that make a glob of a name."""
_BUCKETS = ("s3", "s3a", "gs", "gcs", "oss", "tos", "tosfs")
"""Object stores that find their credentials in the environment, and what begins their URLs is a bucket's name."""
_CONTAINERS = ("az", "abfs", "abfss", "adl", "wasb", "wasbs", "oci", "ocilake")
"""The same, where an account's name may follow the bucket's: ``abfs://container@account``."""
_LINK = re.compile(r"::(?=[\w+.-]+://)")


def is_local(url: str) -> bool:
    """Whether a place is on a local file system."""
    return "://" not in url or url.startswith(_LOCAL)


def local_path(url: str) -> Path:
    """Return the path of a local place, absolute but with its symbolic links as they are."""
    # Not by pathlib: it refuses a name like ``~$tape.mkv``, for want of a user of that name.
    path = url.partition("://")[2] if "://" in url else os.path.expanduser(url)  # noqa: PTH111
    return Path(os.path.abspath(path))  # noqa: PTH100


def may_be_there(url: str) -> bool:
    """Whether there may be something at a place; of a remote one and of a glob, that is not looked up."""
    path = local_path(url)
    return not is_local(url) or path.exists() or any(sign in url for sign in MAGIC)


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
    return "::".join(map(_redact, _LINK.split(url)))


def store_with_credentials(url: str) -> str:
    """Return how the link of a URL begins that has a user or a key before a bucket (``s3``); "" if none has.

    Such a key is never needed, clients quote it as part of the bucket's name, and it often holds a ``/``.
    """
    for link in _LINK.split(url):
        protocol, _, rest = link.partition("://")
        if _has_key(protocol, rest):
            return protocol
    return ""


def _has_key(protocol: str, rest: str) -> bool:
    bucket = rest.partition("/")[0]
    keyed = ":" in bucket and not bucket.startswith("arn:")  # which is how S3 names an access point
    return (keyed and protocol in _BUCKETS + _CONTAINERS) or ("@" in bucket and protocol in _BUCKETS)


def _redact(link: str) -> str:
    protocol, mark, rest = link.partition("://")
    if not mark:
        return link
    rest = without_parameters(rest, link)
    if _has_key(protocol, rest):
        return f"{protocol}://{rest.rpartition('@')[2] if '@' in rest else ''}"
    host, slash, path = rest.partition("/")
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
