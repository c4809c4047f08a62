"""Progress of a run: one live view on a terminal, a line now and then without one."""

from __future__ import annotations

import threading
import time
from dataclasses import asdict, replace
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from jobs import board
from jobs.console import detail, is_quiet, people, speaks_json, tell
from pipeline.fingerprint import STAGES
from pipeline.forecast import Pace
from pipeline.standing import StageStanding, Step, seconds_left
from pipeline.stopping import Stop


class RunProgress:
    """Shows where every stage stands; a context manager that is called with every change.

    Args:
        console: where to draw; default is standard error.
        every: seconds between lines when the console is no terminal.
        silence: seconds after which such a line comes even though nothing has changed.

    Attributes:
        stop: what the run is asked by to end early.
    """

    def __init__(self, console: Console | None = None, every: float = 10.0, silence: float = 60.0) -> None:
        self.console = console or people()
        self.every, self.silence = every, silence
        self._steps = {stage: Step(stage, 0, 0) for stage in STAGES}
        self._paces = {stage: Pace() for stage in STAGES}
        self._lock = threading.Lock()
        self._began = self._last_line = time.monotonic()
        self._live: Live | None = None
        self._ended = threading.Event()
        self.stop = Stop()

    def __enter__(self) -> Self:
        self._began = self._last_line = time.monotonic()
        if self.console.is_terminal and not is_quiet() and not speaks_json():
            self._live = Live(console=self.console, get_renderable=self._draw, refresh_per_second=4, transient=False)
            self._live.start()
        else:
            threading.Thread(target=self._break_silence, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._live:
            self._live.stop()
        elif any(step.done for step in self._steps.values()):
            self._print_line()

    def __call__(self, step: Step) -> None:
        """Take note of where a stage stands."""
        now = time.monotonic()
        with self._lock:
            for _ in range(step.made - self._steps[step.stage].made):
                self._paces[step.stage].add(now)
            self._steps[step.stage] = step
        if step.item:
            chunk = f" chunk {step.chunk}" if step.chunk >= 0 else ""
            detail(f"{step.stage}: {step.item}{chunk}", stage=step.stage, item=step.item, chunk=step.chunk)
        if not self._live and now - self._last_line >= self.every:
            self._print_line()

    def _break_silence(self) -> None:
        while not self._ended.wait(max(0.01, self._last_line + self.silence - time.monotonic())):
            if time.monotonic() - self._last_line >= self.silence:
                self._print_line()

    def standings(self) -> list[StageStanding]:
        """Return the account of every stage."""
        now, found = time.monotonic(), []
        with self._lock:
            for stage, step in self._steps.items():
                standing = StageStanding(stage, step.done, step.total, step.failed, step.expected)
                # The pace of a stage that is through is not what became of it while the others went on.
                through = standing.seconds_left == 0
                found.append(replace(standing, rate=self._paces[stage].rate(None if through else now)))
        return found

    def _draw(self) -> RenderableType:
        stages = self.standings()
        return Group(board.board(stages), Text(board.summary(stages, time.monotonic() - self._began)))

    def _print_line(self) -> None:
        self._last_line = time.monotonic()
        stages = self.standings()
        left = seconds_left(stages)
        ending = f"  {board.duration(left)} left" if left else ""
        facts = {stage.stage: asdict(stage) for stage in stages}
        tell(board.line(stages) + ending, progress=facts, seconds_left=left)
