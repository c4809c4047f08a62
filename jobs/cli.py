"""The ``reelift`` command: one sub-command per module of this package."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated

import typer

from jobs import (
    calibrate,
    config,
    convert_checkpoint,
    demo,
    evaluate,
    plan,
    prepare_data,
    report,
    reprocess,
    restore,
    retry,
    status,
    train,
    verify,
)
from jobs.invocation import FormatOption, QuietOption, VerboseOption, examples_text, make_app, register, run_app, speak

EXAMPLES = """
reelift demo
reelift restore tapes/ --output restored/ --workspace run1/
reelift status run1/ --watch
"""
EPILOG = f"""{examples_text(EXAMPLES)}

Exit codes: 0 done; 1 the call or its surroundings are wrong; 2 some videos failed or differ; 130 stopped by a signal.

'reelift COMMAND --help' has more. Colour: NO_COLOR=1 switches it off."""

app = make_app("reelift", no_args_is_help=True, epilog=EPILOG)


def _print_version(asked: bool) -> None:
    if asked:
        print(f"reelift {version('reelift')}")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version and leave.")
    ] = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
    log_format: FormatOption = None,
) -> None:
    """Restore whole video libraries with motion-guided latent diffusion."""
    speak(quiet, verbose, log_format)


register(app, "demo", demo.demo, demo.EXAMPLES)
register(app, "restore", restore.restore, restore.EXAMPLES)
register(app, "retry", retry.retry, retry.EXAMPLES)
register(app, "reprocess", reprocess.reprocess, reprocess.EXAMPLES)
register(app, "plan", plan.plan, plan.EXAMPLES)
register(app, "calibrate", calibrate.calibrate, calibrate.EXAMPLES)
register(app, "status", status.status, status.EXAMPLES)
register(app, "report", report.report, report.EXAMPLES)
register(app, "verify", verify.verify, verify.EXAMPLES)
app.add_typer(config.app, name="config")
register(app, "prepare-data", prepare_data.prepare_data, prepare_data.EXAMPLES)
register(app, "train", train.train, train.EXAMPLES)
register(app, "evaluate", evaluate.evaluate, evaluate.EXAMPLES)
register(app, "convert-checkpoint", convert_checkpoint.convert_checkpoint, convert_checkpoint.EXAMPLES)


def main() -> None:
    """Entry point of the ``reelift`` command."""
    run_app(app, "reelift")


if __name__ == "__main__":
    main()
