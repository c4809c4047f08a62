"""The account of a run as people read it: one row per stage, and one line that sums up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.progress_bar import ProgressBar
from rich.table import Table

from pipeline.fingerprint import CHUNK_STAGES
from pipeline.standing import StageStanding, seconds_left
from stages import wording

NARROW = 64
"""Columns below which a table would cut off or fold what is in it beyond reading."""


@dataclass(frozen=True, slots=True)
class Fitting:
    """One picture for most terminals, and another for narrow ones."""

    wide: RenderableType
    narrow: RenderableType

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the one that there is room for."""
        yield self.narrow if options.max_width < NARROW else self.wide


def board(stages: Sequence[StageStanding], width: int = 24) -> RenderableType:
    """Return a table: stage, bar, done of total, failed, pace, time to the end; bar and pace only if there is room."""
    return Fitting(_board(stages, width), _board(stages, 0))


def _board(stages: Sequence[StageStanding], width: int) -> Table:
    table = Table(box=None, padding=(0, 1) if width else (0, 1, 0, 0), pad_edge=False)
    table.add_column("stage", no_wrap=True)
    if width:
        table.add_column("", max_width=width)
    for name in ("done", "failed", *(["pace"] if width else []), "left"):
        table.add_column(name, justify="right", no_wrap=True)
    for stage in stages:
        whole = stage.expected if stage.stage in CHUNK_STAGES else stage.total
        unit = " chunks" if stage.stage in CHUNK_STAGES else " videos"
        bar = ProgressBar(total=whole or 1, completed=min(stage.done, whole or 0))
        table.add_row(
            stage.stage,
            *([bar] if width else []),
            f"{counted(stage)}{unit if width else ''}",
            str(stage.failed) if stage.failed else "",
            *([pace(stage.rate)] if width else []),
            duration(stage.seconds_left or None),  # nothing is left of a stage that is through
            style="red" if stage.failed else None,
        )
    return table


def counted(stage: StageStanding) -> str:
    """Return "done/total"; a total that is estimated has a "~", one that nothing tells is "?"."""
    if stage.stage not in CHUNK_STAGES:
        return f"{stage.done}/{stage.total}"
    if stage.expected is None:
        return f"{stage.done}/{'?' if not stage.total else f'{stage.total}+'}"
    return f"{stage.done}/{'' if stage.expected == stage.total else '~'}{stage.expected}"


def pace(rate: float | None) -> str:
    """Return items per second, minute or hour, whichever reads best."""
    if rate is None:
        return ""
    for unit, seconds in (("s", 1), ("min", 60), ("h", 3600)):
        if rate * seconds >= 1:
            return f"{rate * seconds:.3g}/{unit}"
    return f"{rate * 86400:.2g}/day"


def duration(seconds: float | None) -> str:
    """Return a time in the two largest units: "3 d 4 h", "2 h 05 min", "1 min 10 s"; "" if it is unknown."""
    if seconds is None:
        return ""
    whole = round(seconds)
    for size, name, below, small in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            return f"{whole // size} {name} {whole % size // below:02d} {small}"
    return f"{whole} s"


def summary(stages: Sequence[StageStanding], elapsed: float | None = None) -> str:
    """Return one line: videos finished and failed, time taken, time to the end."""
    videos = next((stage for stage in stages if stage.stage == "assemble"), None)
    parts = []
    if videos:
        parts.append(f"{videos.done - videos.failed} of {wording.counted(videos.total, 'video')} finished")
        if videos.failed:
            parts.append(f"{videos.failed} failed")
    if elapsed is not None:
        parts.append(f"{duration(elapsed)} so far")
    left = seconds_left(stages)
    if left:
        parts.append(f"about {duration(left)} left")
    return ", ".join(parts)


def line(stages: Sequence[StageStanding]) -> str:
    """Return the whole account as one line, for logs."""
    parts = []
    for stage in stages:
        failed = f" ({stage.failed} failed)" if stage.failed else ""
        speed = f" {pace(stage.rate)}" if stage.rate else ""
        parts.append(f"{stage.stage} {counted(stage)}{failed}{speed}")
    return "  ".join(parts)
