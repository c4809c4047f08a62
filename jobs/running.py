"""What surrounds a run that a command starts: progress, Ctrl-C, and errors as one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from jobs.console import complain
from jobs.interrupt import patient
from jobs.last_words import last_words
from jobs.progress import RunProgress


@contextmanager
def running(*options: str) -> Iterator[RunProgress]:
    """Show progress within this context; lend what shows it, whose ``stop`` the first Ctrl-C or SIGTERM asks.

    Args:
        options: those of the command that go on where a run is refused; the message names the one that does.

    Raises:
        typer.Exit: with code 1, if the call or its surroundings are wrong; one line has said so.
    """
    from pipeline.config import ConfigError
    from pipeline.epoch import BusyError, FencedError
    from pipeline.sources import InputError
    from pipeline.storage import StorageError
    from pipeline.workspace import ChangedError
    from pipeline.wrapper import SetupError

    ways: dict[type[Exception], tuple[str, str]] = {
        ChangedError: ("--reprocess", " (--reprocess)"),
        BusyError: ("--takeover", ", or take over (--takeover)"),
    }
    try:
        with last_words(), RunProgress() as progress, patient(progress.stop):
            yield progress
    except (ConfigError, InputError, StorageError, SetupError, FencedError) as error:
        option, way = ways.get(type(error), ("", ""))
        raise typer.Exit(complain(f"{error}{way if option in options else ''}")) from None
