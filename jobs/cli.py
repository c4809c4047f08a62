"""The ``reelift`` command: one sub-command per module of this package."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated

import typer

from jobs import (
    config,
    convert_checkpoint,
    demo,
    evaluate,
    prepare_data,
    report,
    reprocess,
    restore,
    retry,
    status,
    train,
    verify,
)
from jobs.invocation import run_app

app = typer.Typer(
    name="reelift",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _print_version(asked: bool) -> None:
    if asked:
        print(f"reelift {version('reelift')}")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version and leave.")
    ] = False,
) -> None:
    """Restore whole video libraries with motion-guided latent diffusion."""


app.command("demo")(demo.demo)
app.command("restore")(restore.restore)
app.command("retry")(retry.retry)
app.command("reprocess")(reprocess.reprocess)
app.command("status")(status.status)
app.command("report")(report.report)
app.command("verify")(verify.verify)
app.add_typer(config.app, name="config")
app.command("prepare-data")(prepare_data.prepare_data)
app.command("train")(train.train)
app.command("evaluate")(evaluate.evaluate)
app.command("convert-checkpoint")(convert_checkpoint.convert_checkpoint)


def main() -> None:
    """Entry point of the ``reelift`` command."""
    run_app(app, "reelift")


if __name__ == "__main__":
    main()
