"""How a run ended, as the commands that run the pipeline tell it: a report, and an exit code."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from rich.console import Group
from rich.table import Table
from rich.text import Text

from jobs.board import Fitting
from jobs.console import detail, show, tell, warn
from jobs.interrupt import STOPPED, tell_how_to_go_on
from jobs.naming import here, unnamed
from stages.wording import counted

if TYPE_CHECKING:
    from pipeline.report import RunReport

FAILED = 2
"""What a command exits with when some videos failed and all others are restored."""


def conclude(report: RunReport, as_json: bool = False) -> int:
    """Print the report for people, and as JSON if asked; return what the command exits with."""
    if as_json:
        print(json.dumps(report.to_json(), indent=2))
    tell(report.summary(), workspace=report.workspace, output=report.output, seconds=report.seconds)
    for source, damage in report.damage.items():
        warn(f"{source}: restored as far as it can be read: {damage}", video=source)
    for source, left_out in report.left_out.items():
        warn(f"{source}: not in the result: {left_out}", video=source)
    for source, decoded in report.decoded_sound.items():
        warn(f"{source}: {decoded}", video=source)
    if report.failures:
        _show_failures(report)
    if report.left:
        tell_how_to_go_on()
        return STOPPED
    return 0 if report.ok else FAILED


def _show_failures(report: RunReport) -> None:
    table = Table(title="failed", title_justify="left", show_lines=False)
    for name in ("video", "stage", "attempts", "reason"):
        table.add_column(name, overflow="fold")
    lines = [Text("failed", style="italic")]
    for failure in report.failures:
        where = here(failure.source or failure.video)
        part = where if failure.chunk < 0 else f"{where} chunk {failure.chunk}"
        reason = here(unnamed(failure.message, failure.source))
        table.add_row(*map(Text, (part, failure.stage, str(failure.attempts), reason)))
        lines.append(Text(f"{part}, {failure.stage}, {counted(failure.attempts, 'attempt')}: {reason}"))
        detail(failure.traceback or failure.message)
    failed = [
        {"video": each.source or each.video, "stage": each.stage, "reason": each.message} for each in report.failures
    ]
    show(Fitting(table, Group(*lines)), f"{len(failed)} items failed", level="warning", failures=failed)
