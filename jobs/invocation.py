"""How a command is run and what it exits with, whether as ``reelift NAME`` or as ``python -m jobs.NAME``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import typer

# typer carries a copy of click in newer releases; the exception must come from the one that it uses.
_CallError: Any = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")

STOPPED = 130  # 128 and the number of the signal, as shells count


def run_app(app: typer.Typer, name: str) -> None:
    """Run a command line and leave with its exit code; 1, not click's 2, if the call itself is wrong.

    Exit code 2 is kept for "some videos failed".
    """
    try:
        code = typer.main.get_command(app).main(prog_name=name, standalone_mode=False)
    except _CallError as error:
        error.show()
        code = 1
    except (typer.Abort, KeyboardInterrupt):
        code = STOPPED
    if code == STOPPED:  # newer releases of typer turn Ctrl-C into this number themselves
        print("Stopped. The same command line goes on from here.", file=sys.stderr)
    sys.exit(code if isinstance(code, int) else 0)


def run_function(function: Callable[..., Any], name: str) -> None:
    """Run one command by itself (``python -m jobs.NAME``)."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command(name)(function)
    run_app(app, f"python -m jobs.{name}")
