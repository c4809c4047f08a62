"""The files of a model folder, read as far as it goes without torch; what is wrong with one is said in one line."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

AGAIN = "copy or convert the model folder again"
"""What to do about a model folder that is not whole."""
WEIGHTS = "diffusion_pytorch_model.safetensors"
"""As diffusers calls the file, which takes seconds to ask."""


@dataclass(frozen=True, slots=True)
class StoredNetwork:
    """What is known of a network that has not been loaded.

    Attributes:
        path: the folder of its configuration and weights.
        config: what the configuration says.
        tensors: name and shape of each that is stored.
    """

    path: Path
    config: Mapping[str, Any]
    tensors: Sequence[tuple[str, tuple[int, ...]]]


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


def tensor_shapes(file: Path) -> list[tuple[str, tuple[int, ...]]]:
    """Return the names and shapes of a safetensors file's tensors, none of which is read.

    Raises:
        ValueError: it is missing or not whole.
    """
    try:
        with safe_open(file, "np") as opened:
            return [(name, tuple(opened.get_slice(name).get_shape())) for name in opened.keys()]  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        why = "missing" if isinstance(error, FileNotFoundError) else f"damaged or not complete ({error})"
        raise ValueError(f"{file}: {why}; {AGAIN}") from None


def stored_tensors(folder: Path) -> list[tuple[str, tuple[int, ...]]]:
    """Return the names and shapes of a network's tensors; of a network in several files those that its index names.

    Raises:
        FileNotFoundError, ValueError: a file is missing or not whole.
    """
    index = folder / f"{WEIGHTS}.index.json"
    if not index.is_file():
        return tensor_shapes(folder / WEIGHTS)
    content = read_json(index)
    places = content.get("weight_map")
    if not places or not isinstance(places, dict):
        raise ValueError(f"{index}: names no weight files; {AGAIN}")
    strange = next((file for file in places.values() if not isinstance(file, str) or Path(file).name != file), None)
    # Diffusers does not ask whether they are there.
    if strange is not None or not isinstance(content.get("metadata"), dict):
        what = "has no 'metadata'" if strange is None else f"names {strange!r}, which is no file beside it"
        raise ValueError(f"{index}: {what}; {AGAIN}")
    files = sorted(set(places.values()))
    return [stored for file in files for stored in tensor_shapes(folder / file) if stored[0] in places]
