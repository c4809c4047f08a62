"""``reelift restore``: take videos through all stages; the command that ``ray job submit`` runs."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.console import detail, tell, warn, warn_of_nothing_in
from jobs.options import (
    ConfigOption,
    ExecutorName,
    ExecutorOption,
    InputsArgument,
    JsonOption,
    PresetOption,
    ScaleOption,
    SetOption,
    TakeoverOption,
    overrides,
)
from jobs.outcome import FAILED, conclude
from jobs.running import running

if TYPE_CHECKING:
    from pipeline.report import RunReport

EXAMPLES = """
reelift restore tapes/ --output restored/ --workspace run1/
reelift restore a.mov 's3://bucket/captures/*.mkv' -o s3://bucket/restored/ -w s3://bucket/run1/
reelift restore tape.mkv -o out -w run2 --preset embedded --set sample.steps=5 --executor local
"""

OutputOption = Annotated[str, typer.Option("--output", "-o", help="Folder or URL for the restored videos.")]
WorkspaceOption = Annotated[str, typer.Option("--workspace", "-w", help="Folder or URL of the run's own record.")]
HeightOption = Annotated[int | None, typer.Option("--height", help="Rows of the output, instead of a scale: 1080.")]
ReprocessOption = Annotated[
    bool, typer.Option("--reprocess", help="Go on in a workspace made otherwise (settings, weights, version).")
]
AcceptOption = Annotated[
    bool,
    typer.Option("--accept-failures", help="End with 0, not 2, when all is settled but some videos failed."),
]


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
    accept_failures: AcceptOption = False,
    as_json: JsonOption = False,
) -> int:
    """Restore videos. The same line again goes on where it was, and does nothing twice.

    Exit code: 0 all restored, 2 some failed, 1 the call itself is wrong, 130 stopped. Ctrl-C once finishes what is in
    flight, twice stops at once; in either case the same line goes on.
    """
    settings = overrides(set_, scale, height)
    options = ("--reprocess", "--takeover")
    report = start(inputs, output, workspace, config, settings, executor, preset, reprocess, takeover, options)
    code = conclude(report, as_json)
    if code == FAILED:
        _tell_how_to_retry(workspace, executor)
    return 0 if accept_failures and code == FAILED else code


def _tell_how_to_retry(workspace: str, executor: ExecutorName) -> None:
    words = ["reelift", "retry", workspace]
    words += ["--executor", executor.value] if executor is ExecutorName.local else []
    tell(f"to try again what failed, and nothing else: {shlex.join(words)}")


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
    options: tuple[str, ...] = (),
) -> RunReport:
    """Run the pipeline with progress shown; ``options``: see ``running``.

    Raises:
        typer.Exit: see ``running``.
    """
    # Imported here, so that a wrong call is answered before torch and ray are loaded.
    from pipeline.api import make_executor
    from pipeline.config import load_config
    from pipeline.passed_over import not_followed
    from pipeline.run import run

    with running(*options) as progress:
        for place in (output, workspace):
            _refuse_memory(place)
        settings = load_config(config, set_, preset)
        for link, why in not_followed(inputs):
            warn(f"{link}: {why}", link=link)
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
            nothing_in=warn_of_nothing_in,
        )


def _refuse_memory(place: str) -> None:
    from pipeline.searching import InputError

    if place.startswith("memory://"):
        raise InputError(
            f"{place}: what lies in memory is gone when this command ends; for output and workspace give a folder or a "
            "place in an object store (s3://, gs://, az://)"
        )


if __name__ == "__main__":
    from jobs.invocation import run_function

    run_function(restore, "restore", EXAMPLES)
