"""How a command is run and what it exits with, whether as ``reelift NAME`` or as ``python -m jobs.NAME``."""

from __future__ import annotations

import functools
import inspect
import json
import shutil
import sys
from collections.abc import Callable
from contextlib import suppress
from io import TextIOWrapper
from typing import Annotated, Any, get_type_hints

import typer

from jobs.console import LogFormat, Loudness, complain, detail, reset_manner, set_manner, speaks_json
from jobs.interrupt import STOPPED

# typer carries a copy of click in newer releases; the exception must come from the one that it uses.
_CallError: Any = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")

_NARROW = 60
"""Columns below which the tables of the help cut off the names of the options."""
_PANEL = "What is said"
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Errors and warnings only.", rich_help_panel=_PANEL)]
VerboseOption = Annotated[
    bool, typer.Option("--verbose", "-v", help="Also what is done item by item.", rich_help_panel=_PANEL)
]
FormatOption = Annotated[
    LogFormat | None,
    typer.Option("--log-format", help="Lines for people, or one JSON object per line.", rich_help_panel=_PANEL),
]
COMMON = {"quiet": (QuietOption, False), "verbose": (VerboseOption, False), "log_format": (FormatOption, None)}
"""Options that every command has, before or after its name."""


def speak(quiet: bool = False, verbose: bool = False, log_format: LogFormat | None = None) -> None:
    """Obey the common options."""
    if quiet and verbose:
        raise typer.BadParameter("--quiet and --verbose cannot both be meant")
    set_manner(Loudness.quiet if quiet else Loudness.verbose if verbose else None, log_format)


def with_common_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the common options; the function itself never sees them."""
    hints = get_type_hints(function, include_extras=True)
    own = inspect.signature(function).parameters.values()
    kept = [each.replace(annotation=hints.get(each.name, each.annotation)) for each in own]
    more = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
        for name, (kind, default) in COMMON.items()
    ]

    @functools.wraps(function)
    def command(**given: Any) -> Any:
        speak(**{name: given.pop(name) for name in COMMON})
        return function(**given)

    # The help breaks lines itself.
    paragraphs = (inspect.getdoc(function) or "").replace("``", "'").split("\n\n")
    command.__doc__ = "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
    command.__signature__ = inspect.Signature([*kept, *more])  # type: ignore[attr-defined]
    command.__annotations__ = {each.name: each.annotation for each in [*kept, *more]}
    return command


def make_app(name: str | None = None, **more: Any) -> typer.Typer:
    """An app whose help is asked for with ``-h``, too, and has no tables where the terminal is too narrow for them."""
    tables = shutil.get_terminal_size().columns >= _NARROW
    return typer.Typer(
        name=name,
        context_settings={"help_option_names": ["-h", "--help"]},
        pretty_exceptions_enable=False,
        rich_markup_mode="rich" if tables else None,
        **more,
    )


def register(app: typer.Typer, name: str, function: Callable[..., Any], examples: str = "") -> None:
    """Add a command to an app, with the common options and examples at the end of its help."""
    app.command(name, epilog=examples_text(examples), no_args_is_help=False)(with_common_options(function))


def examples_text(lines: str) -> str | None:
    """Examples as the help shows them, one line each; None if there are none."""
    found = [line.strip() for line in lines.strip().splitlines() if line.strip()]
    return "\n\n".join(["Examples:", *(f"  {line}" for line in found)]) if found else None


def run_app(app: typer.Typer, name: str) -> None:
    """Run a command line and leave with its exit code; 1, not click's 2, if the call itself is wrong.

    Exit code 2 is kept for "some videos failed".
    """
    reset_manner()
    for stream in (sys.stdout, sys.stderr):
        # A terminal or a pipe that has not all letters gets their numbers. A stream that is not what it was when Python
        # opened it, a pipe in the place of a file, cannot be asked to.
        with suppress(OSError):
            if isinstance(stream, TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
    try:
        code = typer.main.get_command(app).main(prog_name=name, standalone_mode=False)
    except _CallError as error:
        code = _refuse(error)
    except (typer.Abort, KeyboardInterrupt):  # newer releases of typer turn Ctrl-C into this number themselves
        code = STOPPED
    except Exception as error:  # that no command foresaw
        code = _admit(error)
    sys.exit(code if isinstance(code, int) else 0)


def run_function(function: Callable[..., Any], name: str, examples: str = "") -> None:
    """Run one command by itself (``python -m jobs.NAME``)."""
    app = make_app(add_completion=False)
    register(app, name, function, examples)
    run_app(app, f"python -m jobs.{name}")


def _refuse(error: Any) -> int:
    """Explain a line that cannot be parsed."""
    error.message = _in_our_words(error.message)
    if speaks_json() or _asks_for_json():
        set_manner(log_format=LogFormat.json)
        return complain(error.format_message())
    error.show()
    return 1


def _in_our_words(message: str) -> str:
    """What typer has from pydantic as errors in settings say it."""
    if not message.startswith(("Input should be ", "Value error, ")):
        return message
    from pipeline.config_text import plainly

    return f"{'allowed: ' if message.startswith('Input') else ''}{plainly(message)}"


def _admit(error: Exception) -> int:
    """Tell of what no command foresaw: trouble with a disk or the like, or a fault of our own."""
    from pipeline.events import Reason

    reason = Reason.of(error)
    detail(reason.traceback)
    if isinstance(error, OSError):
        message = f"{reason.message}; see to it and run the same line again"
    else:
        fault = "that is a fault of Reelift's: please report it, with the traceback that --verbose shows"
        message = f"{reason.error_class}: {reason.message}; {fault}"
    return complain(message, traceback=reason.traceback)


def _asks_for_json() -> bool:
    """Whether the line asks for JSON; a line that cannot be parsed may not have got so far."""
    text = json.dumps(sys.argv[1:])
    return '"--log-format=json"' in text or '"--log-format", "json"' in text
