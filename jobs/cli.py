"""The ``reelift`` command: one sub-command per module of this package."""

from __future__ import annotations

import typer

from jobs import config, convert_checkpoint, demo, evaluate, prepare_data, restore, status, train, verify
from jobs.invocation import run_app

app = typer.Typer(
    name="reelift",
    help="Restore whole video libraries with motion-guided latent diffusion.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("demo")(demo.demo)
app.command("restore")(restore.restore)
app.command("status")(status.status)
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
