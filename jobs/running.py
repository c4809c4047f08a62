"""What the commands that run the pipeline share: progress, and errors as one line."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from jobs.console import complain
from jobs.interrupt import patient
from jobs.progress import RunProgress

if TYPE_CHECKING:
    from pipeline.report import RunReport


def carried_out(work: Callable[[RunProgress], RunReport | None], hints: bool = True) -> RunReport | None:
    """Do the work with progress shown; print one line and return None if the call or its surroundings are wrong.

    Args:
        work: runs the pipeline; gets what shows its progress, whose ``stop`` the first Ctrl-C asks.
        hints: whether the command has the options that the errors may ask for.
    """
    from pipeline.config import ConfigError
    from pipeline.epoch import BusyError, FencedError
    from pipeline.sources import InputError
    from pipeline.storage import StorageError
    from pipeline.workspace import ChangedError
    from pipeline.wrapper import SetupError

    options: dict[type[Exception], str] = {ChangedError: " (--reprocess)", BusyError: " (--takeover)"} if hints else {}
    try:
        with RunProgress() as progress, patient(progress.stop):
            return work(progress)
    except (ConfigError, InputError, StorageError, SetupError, FencedError) as error:
        complain(f"{error}{options.get(type(error), '')}")
        return None
