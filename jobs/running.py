"""What surrounds a run that a command starts: progress, Ctrl-C, and errors as one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

from jobs.console import complain, detail
from jobs.interrupt import going_on, patient
from jobs.last_words import last_words
from jobs.progress import RunProgress

if TYPE_CHECKING:
    from pipeline.again import Told
    from pipeline.report import RunReport


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
    from pipeline.events import Reason
    from pipeline.sources import InputError
    from pipeline.storage_errors import StorageError, broken
    from pipeline.workspace import ChangedError
    from pipeline.wrapper import SetupError

    ways: dict[type[Exception], tuple[str, str]] = {
        ChangedError: ("--reprocess", " (--reprocess)"),
        BusyError: ("--takeover", ", or take over (--takeover)"),
    }
    try:
        with going_on(), last_words(), RunProgress() as progress, patient(progress.stop):
            yield progress
    except (ConfigError, InputError, StorageError, SetupError, FencedError) as error:
        option, way = ways.get(type(error), ("", ""))
        raise typer.Exit(complain(f"{error}{way if option in options else ''}")) from None
    except OSError as error:  # a store that answers no more, say, when the run has not even begun
        detail(Reason.of(error).traceback)
        raise typer.Exit(complain(broken(error))) from None


def run_again(
    told: Told, workspace: str, executor: str, takeover: bool, progress: RunProgress, **more: Any
) -> RunReport:
    """Run over a workspace with what it was told; ``more`` goes to ``pipeline.run.run``, which says what it raises."""
    from pipeline.api import make_executor
    from pipeline.run import run

    return run(
        told.config,
        told.inputs,
        told.output,
        workspace,
        make_executor(executor, told.config),
        progress,
        takeover=takeover,
        stop=progress.stop,
        **more,
    )
