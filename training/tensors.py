"""Reading of safetensors files that may have been copied, cut short or damaged on the way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open


@contextmanager
def open_tensors(path: Path) -> Iterator[Any]:
    """Open a file as ``safetensors.safe_open`` does; faults of what is read inside the block are named too.

    Raises:
        ValueError: one line, if the file is cut short, is no safetensors file or lacks the tensor that is asked for.
        OSError: if there is no such file, or it cannot be read.
    """
    try:
        with safe_open(path, "pt") as file:
            yield file
    except SafetensorError as error:
        raise ValueError(f"{path}: damaged or not complete ({error}); copy it again") from error
