"""``reelift config``: write, check and explain configurations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

app = typer.Typer(help="Write, check and explain configurations.", no_args_is_help=True)


@app.command()
def template(preset: Annotated[str, typer.Option(help="Preset whose values are written.")] = "embedded") -> int:
    """Print a YAML file with every key, its value and what it is for."""
    from pipeline.config import ConfigError
    from pipeline.config import template as text

    try:
        print(text(preset), end="")
    except ConfigError as error:
        return _complain(error)
    return 0


@app.command()
def validate(file: Annotated[Path, typer.Argument(help="Configuration (YAML).")]) -> int:
    """Check a configuration; the exit code is 1 if it cannot be used."""
    from pipeline.config import ConfigError, load_config

    try:
        load_config(file)
    except ConfigError as error:
        return _complain(error)
    print(f"{file}: good")
    return 0


@app.command()
def schema() -> int:
    """Print the JSON schema of a configuration."""
    from pipeline.config import RunConfig

    print(json.dumps(RunConfig.model_json_schema(), indent=2))
    return 0


def _complain(error: Exception) -> int:
    Console(stderr=True).print(f"error: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
    return 1
