"""From data to a page: one HTML file with its style, scripts and data in it.

File names and messages come from files that nobody vouches for: Jinja escapes them, data stand in a block that is no
script, and the page's own policy lets the browser run nothing but the scripts named by their digest, and fetch nothing.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.resources import files
from typing import Any

import jinja2
from markupsafe import Markup


@dataclass(frozen=True, slots=True)
class Asset:
    """A style sheet or script as it stands in a page, and its digest for the page's policy."""

    text: Markup
    digest: str


@functools.cache
def _asset(name: str) -> Asset:
    text = (files("report") / "assets" / name).read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return Asset(Markup(text), f"sha256-{digest}")


@functools.cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )


@functools.cache
def appearance() -> str:
    """A digest of everything that a page looks like: pages made by another version are made anew."""
    sha256 = hashlib.sha256(version("reelift").encode())
    for folder in ("assets", "templates"):
        for file in sorted((files("report") / folder).iterdir(), key=lambda file: file.name):
            if file.is_file():
                sha256.update(file.read_bytes())
    return sha256.hexdigest()


def embedded_json(data: Any) -> Markup:
    """``data`` as JSON that may stand in a ``<script type="application/json">``: nothing in it ends the block.

    Raises:
        ValueError: for NaN and infinities, which JSON does not have.
    """
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(text)


def render(template: str, scripts: Sequence[str], data: Any, home: str, **context: Any) -> bytes:
    """Return the page.

    Args:
        template: file name in ``templates/``.
        scripts: file names in ``assets/``, run in this order.
        data: what the scripts read; JSON.
        home: relative address of the page of the run.
        context: what the template shows.
    """
    page = (
        _environment()
        .get_template(template)
        .render(
            style=_asset("report.css"),
            scripts=[_asset(name) for name in ("theme.js", *scripts)],
            data=embedded_json(data),
            home=home,
            version=version("reelift"),
            written=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            **context,
        )
    )
    return page.encode("utf-8", errors="replace")
