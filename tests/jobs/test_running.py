"""What a command says when its run cannot begin."""

from __future__ import annotations

import pytest
import typer

from jobs.console import Loudness, set_manner
from jobs.running import running
from pipeline.epoch import BusyError
from pipeline.workspace import ChangedError


@pytest.mark.parametrize(
    ("error", "options", "hint"),
    [
        (BusyError, (), ""),
        (BusyError, ("--takeover",), ", or take over (--takeover)"),
        (ChangedError, ("--takeover",), ""),
        (ChangedError, ("--reprocess", "--takeover"), " (--reprocess)"),
    ],
)
def test_only_an_option_that_the_command_has_is_hinted_at(
    capsys: pytest.CaptureFixture[str], error: type[Exception], options: tuple[str, ...], hint: str
) -> None:
    with pytest.raises(typer.Exit) as caught, running(*options):
        raise error("run1: cannot be used")
    assert caught.value.exit_code == 1
    assert capsys.readouterr().err == f"error: run1: cannot be used{hint}\n"


def test_a_store_that_does_not_answer_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as caught, running():
        raise OSError(5, "s3://bucket/run1: Could not connect to the endpoint URL: 'https://u:secret@host/'")
    assert caught.value.exit_code == 1
    said = capsys.readouterr().err
    assert said.startswith("error: the workspace or the output failed (") and said.count("\n") == 1
    assert said.endswith("run the same line again\n") and "secret" not in said


def test_its_traceback_has_no_secrets_either(capsys: pytest.CaptureFixture[str]) -> None:
    address = "https://u:hunter2@host/a?X-Amz-Signature=hunter2"
    set_manner(Loudness.verbose)
    try:
        with pytest.raises(typer.Exit), running():
            raise OSError(5, f"Could not connect to the endpoint URL: '{address}'")
    finally:
        set_manner(Loudness.normal)
    said = capsys.readouterr().err
    assert "Traceback" in said and "URL: 'https://host/a'" in said and "hunter2" not in said
