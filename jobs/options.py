"""Options that several commands have, and what the shell completes them with."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


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


InputsArgument = Annotated[list[str], typer.Argument(help="Videos: files, folders, globs or URLs.")]
RunArgument = Annotated[str, typer.Argument(help="Workspace of a run: folder or URL.")]
ConfigOption = Annotated[Path | None, typer.Option("--config", "-c", help="Configuration (YAML).")]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="Override one value: key.key=value. May be repeated; 'reelift config template' lists all keys.",
        autocompletion=complete_setting,
    ),
]
ExecutorOption = Annotated[ExecutorName, typer.Option("--executor", help="Ray, or this process alone.")]
ScaleOption = Annotated[
    float | None, typer.Option("--scale", help="Output size over input size, per side; presets have 4.")
]
PresetOption = Annotated[
    str | None,
    typer.Option(
        "--preset",
        help="Values to start from: embedded (the default), conservative, detail; balanced, fast, reference need a "
        "converted model.",
        autocompletion=complete_preset,
    ),
]
TakeoverOption = Annotated[
    bool, typer.Option("--takeover", help="Replace a run that seems to be at work on this workspace.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the report as JSON on standard output.")]


def overrides(given: list[str] | None, scale: float | None, height: int | None = None) -> list[str]:
    """The ``--set`` values, with ``--scale`` and ``--height`` among them."""
    sizes = {"scale": scale, "height": height}
    return [*(given or []), *(f"{name}={size}" for name, size in sizes.items() if size is not None)]
