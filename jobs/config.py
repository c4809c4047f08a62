"""``reelift config``: write, check, show and explain configurations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from jobs.console import complain, tell
from jobs.invocation import examples_text, make_app, register
from jobs.options import ConfigOption, PresetOption, SetOption, complete_preset

app = make_app(
    help="Write, check, show and explain configurations.",
    no_args_is_help=True,
    epilog=examples_text("reelift config template > mine.yaml\nreelift config validate mine.yaml"),
)


def template(
    preset: Annotated[
        str, typer.Option(help="Preset whose values are written.", autocompletion=complete_preset)
    ] = "embedded",
) -> int:
    """Print a YAML file with every key, its value and what it is for."""
    from pipeline.config import ConfigError
    from pipeline.config import template as text

    try:
        print(text(preset), end="")
    except ConfigError as error:
        return complain(error)
    return 0


def validate(file: Annotated[Path, typer.Argument(help="Configuration (YAML).")]) -> int:
    """Check a configuration; the exit code is 1 if it cannot be used."""
    from pipeline.config import ConfigError, load_config

    try:
        load_config(file)
    except ConfigError as error:
        return complain(error)
    print(f"{file}: good")
    return 0


def schema() -> int:
    """Print the JSON schema of a configuration."""
    from pipeline.config import RunConfig

    print(json.dumps(RunConfig.model_json_schema(), indent=2))
    return 0


def show(
    config: ConfigOption = None,
    set_: SetOption = None,
    preset: PresetOption = None,
    changed: Annotated[bool, typer.Option("--changed", help="Leave out what has its default.")] = False,
) -> int:
    """Print the settings that a run with these options would have, each with where it comes from."""
    from pipeline.config import ConfigError
    from pipeline.config import show as text

    try:
        told = text(config, set_ or [], preset, changed)
    except ConfigError as error:
        return complain(error)
    if told.strip():
        print(told, end="")
    else:
        tell("every setting has its default")
    return 0


register(app, "template", template, "reelift config template > mine.yaml\nreelift config template --preset reference")
register(app, "validate", validate, "reelift config validate mine.yaml")
register(app, "schema", schema, "reelift config schema > reelift.schema.json")
register(app, "show", show, "reelift config show --preset fast --changed\nreelift config show --config mine.yaml")
