"""The files of a model folder, read as far as it goes without torch; what is wrong with one is said in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

AGAIN = "copy or convert the model folder again"
"""What to do about a model folder that is not whole."""


def read_json(file: Path) -> dict[str, Any]:
    """Return what a configuration says.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is not whole, or no configuration.
    """
    if not file.is_file():
        raise FileNotFoundError(f"{file}: missing from the model folder")
    try:
        content = json.loads(file.read_bytes())
    except ValueError as error:
        raise ValueError(f"{file}: damaged or not complete ({error}); {AGAIN}") from None
    if not isinstance(content, dict):
        raise ValueError(f"{file}: is not a configuration; {AGAIN}")
    return content


def tensor_names(file: Path) -> list[str]:
    """Return the names of a safetensors file's tensors, none of which is read.

    Raises:
        ValueError: it is missing or not whole.
    """
    try:
        with safe_open(file, "np") as opened:
            return list(opened.keys())
    except (OSError, SafetensorError) as error:
        why = "missing" if isinstance(error, FileNotFoundError) else f"damaged or not complete ({error})"
        raise ValueError(f"{file}: {why}; {AGAIN}") from None
