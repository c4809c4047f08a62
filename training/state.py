"""The state of training as files of moderate size: what is kept elsewhere between slices often has a limit per file.

``state.json`` names the step, the files with the tensors, and the recipe and model folder that they belong to.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from training.recipe import Recipe

FILE_BYTES = 60 * 2**20
"""Largest size of a file, unless a single tensor is larger."""
MAY_CHANGE = frozenset({"steps", "checkpoint_every", "precision"})
"""Keys of a recipe that a training may go on with when they have changed."""
REMEDY = "give --checkpoints another folder"


def save_state(tensors: Mapping[str, Tensor], folder: Path, step: int, file_bytes: int = FILE_BYTES) -> list[str]:
    """Write tensors to ``state-<step>-<part>.safetensors``, each file by an atomic rename.

    Returns:
        the files' names. Other files of the folder are left as they are.
    """
    names = []
    for part, group in enumerate(_groups(tensors, file_bytes)):
        path = folder / f"state-{step}-{part}.safetensors"
        draft = path.with_suffix(".draft")
        save_file(group, draft)
        draft.replace(path)
        names.append(path.name)
    return names


def load_state(folder: Path, names: list[str]) -> dict[str, Tensor]:
    """Read what ``save_state`` wrote.

    Raises:
        FileNotFoundError, ValueError: a file is absent or cannot be read; one line that names it.
    """
    tensors: dict[str, Tensor] = {}
    for name in names:
        try:
            tensors |= load_file(folder / name)
        except SafetensorError as error:
            raise ValueError(f"{folder / name}: cannot be read ({error}); {REMEDY}") from None
    return tensors


def _groups(tensors: Mapping[str, Tensor], file_bytes: int) -> list[dict[str, Tensor]]:
    """Fill files one after another, in the order of the tensors."""
    groups: list[dict[str, Tensor]] = [{}]
    filled = 0
    for name, tensor in tensors.items():
        if groups[-1] and filled + tensor.nbytes > file_bytes:
            groups.append({})
            filled = 0
        groups[-1][name] = tensor.contiguous()
        filled += tensor.nbytes
    return groups


def write_progress(folder: Path, step: int, files: list[str], recipe: Recipe, model: Path | None) -> None:
    """Replace ``state.json``, which decides what is read."""
    state = {"step": step, "files": files, "recipe": recipe.model_dump(mode="json"), "model": _names(model)}
    draft = folder / "state.json.draft"
    draft.write_text(json.dumps(state))
    draft.replace(folder / "state.json")


def read_progress(folder: Path, recipe: Recipe, model: Path | None = None) -> tuple[int, list[str]] | None:
    """The step and the files of a training that was begun in a folder; None if none was.

    Raises:
        ValueError: ``state.json`` cannot be read, or belongs to another recipe or model folder; one line that says so.
    """
    file = folder / "state.json"
    if not file.exists():
        return None
    try:
        state = json.loads(file.read_text())
        step, files, stored = int(state["step"]), [str(name) for name in state["files"]], dict(state["recipe"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{file}: cannot be read ({type(error).__name__}: {error}); {REMEDY}") from None
    _check_recipe(folder, stored, recipe)
    # Either name will do: the same line goes on on another machine, and from another folder of this one.
    if model and (names := state.get("model")) and not {*names} & {*_names(model)}:
        raise ValueError(f"{folder} belongs to another model folder, {names[0]}; {REMEDY}")
    return step, files


def _names(model: Path | None) -> list[str]:
    """A model folder as it was given, and where that is."""
    return [] if model is None else [str(model), str(model.resolve())]


def _check_recipe(folder: Path, stored: dict[str, Any], recipe: Recipe) -> None:
    ours = recipe.model_dump(mode="json")
    # A key that came later than the checkpoint counted as its default then.
    theirs = Recipe.model_construct(stage=recipe.stage, steps=recipe.steps).model_dump(mode="json") | stored
    for key in theirs:
        if key not in MAY_CHANGE and (key not in ours or theirs[key] != ours[key]):
            raise ValueError(
                f"{folder} belongs to another recipe ({key}: {theirs[key]} there, {ours.get(key, 'unknown')} here); "
                f"{REMEDY}"
            )


def check_shapes(folder: Path, stored: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    """Make sure that a checkpoint's tensors are those of a network, by names and shapes.

    Raises:
        ValueError: they are not; one line that names the first that differs.
    """
    for name in [*wanted, *stored]:
        there, here = (f"{list(side[name].shape)} " if name in side else "not " for side in (stored, wanted))
        if there != here:
            raise ValueError(f"{folder} belongs to another network ({name}: {there}there, {here}here); {REMEDY}")
