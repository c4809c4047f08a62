"""What a benchmark writes down: its result as JSON, and the options that it was called with."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PLACES = ("data", "json", "model", "source")
"""Options that name a place on the machine where it ran, which tells others nothing."""


def write_result(file: Path | None, result: Mapping[str, Any] | list[Any]) -> None:
    """Write a result as JSON; None: it is not wanted."""
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(result, indent=1) + "\n")


def given(options: argparse.Namespace) -> dict[str, Any]:
    """The options, for the record."""
    return {name: value for name, value in vars(options).items() if name not in PLACES}
