"""``reelift restore``: take videos through all stages; the command that ``ray job submit`` runs."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from jobs.console import detail, show, tell, warn
from jobs.interrupt import STOPPED
from jobs.running import carried_out

if TYPE_CHECKING:
    from jobs.progress import RunProgress
    from pipeline.report import RunReport


def complete_preset(begun: str) -> list[str]:
    """The presets that begin like this, for the shell."""
    from pipeline.presets import PRESETS

    return [name for name in PRESETS if name.startswith(begun)]


def complete_setting(begun: str) -> list[str]:
    """The settings that begin like this, for the shell."""
    from pipeline.config import keys

    return [f"{key}=" for key in keys() if key.startswith(begun)]


class ExecutorName(StrEnum):
    """Where the stages run."""

    ray = "ray"
    local = "local"


EXAMPLES = """
reelift restore tapes/ --output restored/ --workspace run1/
reelift restore a.mov 's3://bucket/captures/*.mkv' -o s3://bucket/restored/ -w s3://bucket/run1/
reelift restore tape.mkv -o out -w run2 --preset embedded --set sample.steps=5 --executor local
"""

InputsArgument = Annotated[list[str], typer.Argument(help="Videos: files, folders, globs or URLs.")]
OutputOption = Annotated[str, typer.Option("--output", "-o", help="Folder or URL for the restored videos.")]
WorkspaceOption = Annotated[str, typer.Option("--workspace", "-w", help="Folder or URL of the run's own record.")]
ConfigOption = Annotated[Path | None, typer.Option("--config", "-c", help="Configuration (YAML).")]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", help="Override one value: key.key=value.", autocompletion=complete_setting),
]
ExecutorOption = Annotated[ExecutorName, typer.Option("--executor", help="Ray, or this process alone.")]
ScaleOption = Annotated[float | None, typer.Option("--scale", help="Output size over input size, per side.")]
HeightOption = Annotated[int | None, typer.Option("--height", help="Rows of the output, instead of a scale: 1080.")]
PresetOption = Annotated[
    str | None,
    typer.Option("--preset", help="Named set of values to start from.", autocompletion=complete_preset),
]
ReprocessOption = Annotated[
    bool, typer.Option("--reprocess", help="Go on in a workspace made with other settings; what they reach is redone.")
]
TakeoverOption = Annotated[
    bool, typer.Option("--takeover", help="Replace a run that seems to be at work on this workspace.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the report as JSON on standard output.")]


def restore(
    inputs: InputsArgument,
    output: OutputOption,
    workspace: WorkspaceOption,
    config: ConfigOption = None,
    set_: SetOption = None,
    executor: ExecutorOption = ExecutorName.ray,
    scale: ScaleOption = None,
    height: HeightOption = None,
    preset: PresetOption = None,
    reprocess: ReprocessOption = False,
    takeover: TakeoverOption = False,
    as_json: JsonOption = False,
) -> int:
    """Restore videos. The same line again goes on where it was, and does nothing twice.

    Exit code: 0 all restored, 2 some failed, 1 the call itself is wrong, 130 stopped. Ctrl-C once finishes what is in
    flight, twice stops at once; in either case the same line goes on.
    """
    settings = overrides(set_, scale, height)
    report = start(inputs, output, workspace, config, settings, executor, preset, reprocess, takeover)
    if report is None:
        return 1
    if as_json:
        print(json.dumps(report.to_json(), indent=2))
    show_report(report)
    return exit_code(report)


def exit_code(report: RunReport) -> int:
    """What a run exits with."""
    return STOPPED if report.left else 0 if report.ok else 2


def overrides(given: list[str] | None, scale: float | None, height: int | None = None) -> list[str]:
    """The ``--set`` values, with ``--scale`` and ``--height`` among them."""
    sizes = {"scale": scale, "height": height}
    return [*(given or []), *(f"{name}={size}" for name, size in sizes.items() if size is not None)]


def start(
    inputs: list[str],
    output: str,
    workspace: str,
    config: Path | None,
    set_: list[str],
    executor: ExecutorName,
    preset: str | None,
    reprocess: bool = False,
    takeover: bool = False,
) -> RunReport | None:
    """Run the pipeline with progress shown; prints one line and returns None if the call or its set-up is wrong."""
    # Imported here, so that a wrong call is answered before torch and ray are loaded.
    from pipeline.api import make_executor
    from pipeline.config import load_config
    from pipeline.run import run

    def work(progress: RunProgress) -> RunReport:
        settings = load_config(config, set_, preset)
        detail(f"preset {settings.preset}, executor {executor}", preset=settings.preset, executor=executor)
        return run(
            settings,
            inputs,
            output,
            workspace,
            make_executor(executor, settings),
            progress,
            allow_changed=reprocess,
            takeover=takeover,
            stop=progress.stop,
        )

    return carried_out(work)


def show_report(report: RunReport) -> None:
    """Print the report for people: one line, and a table of what failed and why."""
    tell(report.summary(), workspace=report.workspace, output=report.output, seconds=report.seconds)
    for source, damage in report.damage.items():
        warn(f"{source}: restored as far as it can be read: {damage}", video=source)
    if not report.failures:
        return
    table = Table(title="failed", title_justify="left", show_lines=False)
    for name in ("video", "stage", "attempts", "reason"):
        table.add_column(name, overflow="fold")
    for failure in report.failures:
        where = failure.source or failure.video
        part = where if failure.chunk < 0 else f"{where} chunk {failure.chunk}"
        table.add_row(part, failure.stage, str(failure.attempts), failure.message)
        detail(failure.traceback or failure.message)
    failed = [
        {"video": each.source or each.video, "stage": each.stage, "reason": each.message} for each in report.failures
    ]
    show(table, f"{len(failed)} items failed", level="warning", failures=failed)


if __name__ == "__main__":
    from jobs.invocation import run_function

    run_function(restore, "restore", EXAMPLES)
