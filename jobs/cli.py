"""The ``reelift`` command: one sub-command per module of this package."""

from __future__ import annotations

import sys

import click
import typer

from jobs import config, demo, prepare_data, restore, status, train

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
app.add_typer(config.app, name="config")
app.command("prepare-data")(prepare_data.prepare_data)
app.command("train")(train.train)


def run_command(command: click.Command, name: str) -> None:
    """Run a command line and leave with its exit code; 1, not click's 2, if the call itself is wrong.

    Exit code 2 is kept for "some videos failed".
    """
    try:
        code = command.main(prog_name=name, standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = 1
    except (click.Abort, KeyboardInterrupt):
        print("Stopped. The same command line goes on from here.", file=sys.stderr)
        code = 130
    sys.exit(code if isinstance(code, int) else 0)


def main() -> None:
    """Entry point of the ``reelift`` command."""
    run_command(typer.main.get_command(app), "reelift")


if __name__ == "__main__":
    main()
