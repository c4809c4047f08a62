"""Progress of a run: one bar per stage on a terminal, a line now and then without one."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

STAGES = ("split", "flow", "sample", "decode", "assemble")


class RunProgress:
    """Shows how many items of each stage are done; a context manager that is called with every change.

    Args:
        console: where to draw.
        every: seconds between lines when the console is no terminal.
    """

    def __init__(self, console: Console | None = None, every: float = 10.0) -> None:
        self.console = console or Console(file=sys.stderr)
        self.every = every
        self._last_line = time.monotonic()
        self._counts: dict[str, tuple[int, int | None]] = dict.fromkeys(STAGES, (0, None))
        self._bars = Progress(
            TextColumn("{task.description:>9}"),
            BarColumn(bar_width=40),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[unit]}"),
            console=self.console,
            disable=not self.console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        for stage in STAGES:
            unit = "videos" if stage in ("split", "assemble") else "chunks"
            self._tasks[stage] = self._bars.add_task(stage, total=None, unit=unit)
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()
        if not self.console.is_terminal and any(done for done, _ in self._counts.values()):
            self._print_line()

    def __call__(self, stage: str, done: int, total: int | None, item: str = "") -> None:
        """Take note that ``done`` of ``total`` (None: not known yet) items of ``stage`` are finished, ``item`` last."""
        self._counts[stage] = (done, total)
        if stage in self._tasks:
            self._bars.update(self._tasks[stage], completed=done, total=total)
        if not self.console.is_terminal and time.monotonic() - self._last_line >= self.every:
            self._print_line()

    def _print_line(self) -> None:
        self._last_line = time.monotonic()
        parts = [f"{stage} {done}/{'?' if total is None else total}" for stage, (done, total) in self._counts.items()]
        self.console.print("  ".join(parts), highlight=False)
