"""How the commands speak: everything for people goes to standard error, results to standard output.

``--quiet`` leaves errors and warnings, ``--verbose`` adds what a run does item by item, ``--log-format json`` turns
every line for people into one JSON object. Colour follows the terminal, NO_COLOR and FORCE_COLOR.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum, StrEnum
from typing import Any

from rich.console import Console, RenderableType
from rich.text import Text


class LogFormat(StrEnum):
    """What a line for people looks like."""

    text = "text"
    json = "json"


class Loudness(IntEnum):
    """How much is said."""

    quiet = 0
    normal = 1
    verbose = 2


@dataclass
class Manner:
    """How this process speaks; set once, from the command line."""

    loudness: Loudness = Loudness.normal
    format: LogFormat = LogFormat.text


_manner = Manner()
_console = Console(stderr=True)


def set_manner(loudness: Loudness | None = None, log_format: LogFormat | None = None) -> None:
    """Change what is given; messages of Python's ``logging`` are spoken like our own."""
    if loudness is not None:
        _manner.loudness = loudness
    if log_format is not None:
        _manner.format = log_format
    root = logging.getLogger()
    if not any(isinstance(handler, _Speaker) for handler in root.handlers):
        root.addHandler(_Speaker())


def reset_manner() -> None:
    """Speak as at the beginning."""
    _manner.loudness, _manner.format = Loudness.normal, LogFormat.text


def speaks_json() -> bool:
    """Whether lines for people are JSON."""
    return _manner.format is LogFormat.json


def is_quiet() -> bool:
    """Whether only errors and warnings are said."""
    return _manner.loudness is Loudness.quiet


def people() -> Console:
    """The console on standard error."""
    return _console


def complain(error: object, **facts: Any) -> int:
    """Say what is wrong, in one line; return the exit code of a call that is wrong.

    What a file system says is told without its number and without what URLs carry.
    """
    if isinstance(error, OSError):
        from pipeline.storage_errors import told

        error = told(error)
    _say("error", f"error: {error}", "red", str(error), facts)
    return 1


def warn(message: str, **facts: Any) -> None:
    """Say what should be known even where little is said."""
    _say("warning", f"warning: {message}", "yellow", message, facts)


def warn_of_nothing_in(given: str) -> None:
    """Say that an input names no video; others do."""
    warn(f"{given}: no video was found in it", input=given)


def tell(message: str, **facts: Any) -> None:
    """Say something, unless quiet."""
    if _manner.loudness >= Loudness.normal:
        _say("info", message, None, message, facts)


def detail(message: str, **facts: Any) -> None:
    """Say something if much is to be said."""
    if _manner.loudness >= Loudness.verbose:
        _say("debug", message, "dim", message, facts)


def show(picture: RenderableType, message: str, level: str = "info", **facts: Any) -> None:
    """Show a table or the like to people; in JSON ``message`` and ``facts`` stand for it. Warnings are never hidden."""
    if level == "info" and _manner.loudness < Loudness.normal:
        return
    if speaks_json():
        _say(level, message, None, message, facts)
    else:
        _console.print(picture, markup=False, highlight=False, soft_wrap=isinstance(picture, Text))


def drawn() -> bool:
    """Whether pictures that change, like bars, may be drawn for people."""
    return _console.is_terminal and not is_quiet() and not speaks_json()


@contextmanager
def busy(text: str = "") -> Iterator[Callable[[str], None]]:
    """Show that something is being done; call what is lent with what it is. Nothing but a terminal shows it."""
    if not drawn():
        yield lambda text: None
        return
    with _console.status(text) as status:
        yield lambda text: status.update(text)


def _say(level: str, text: str, style: str | None, message: str, facts: dict[str, Any]) -> None:
    if not speaks_json():
        _console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)
        return
    line = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "level": level, "message": message}
    print(json.dumps({**line, **facts}, default=str), file=sys.stderr, flush=True)


class _Speaker(logging.Handler):
    """Speaks what libraries and the pipeline log, from warnings on; with --verbose all that the pipeline logs."""

    def emit(self, record: logging.LogRecord) -> None:
        ours = record.name.partition(".")[0] in ("pipeline", "stages", "models", "jobs", "training", "evaluation")
        if record.levelno >= logging.WARNING:
            warn(record.getMessage(), logger=record.name)
        elif ours:
            detail(record.getMessage(), logger=record.name)
