"""Training stages on small clips, with the shipped recipes and networks."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch

from models.basicvsr import BasicVSR
from models.folder import EMBEDDED_FOLDER
from training.recipe import Recipe, load_recipe

RECIPES = Path(__file__).parents[2] / "training" / "recipes"


def recipe(stage: str, **changes: object) -> Recipe:
    """The shipped recipe of a stage, on clips of 48x48, two steps."""
    shipped = load_recipe(RECIPES / f"{stage}.yaml")
    return shipped.model_copy(update={"side": 48, "steps": 2, "batch": 1, "checkpoint_every": 1, **changes})


def losses(checkpoints: Path, stage: str) -> list[float]:
    """The loss of every step."""
    return [json.loads(line)["loss"] for line in (checkpoints / stage / "log.jsonl").read_text().splitlines()]


def model_folder(path: Path) -> Path:
    """A copy of the shipped networks: each stage reads those before it."""
    for part in ("vae", "unet", "structure_encoder", "flow"):
        shutil.copytree(EMBEDDED_FOLDER / part, path / part)
    return path


def small_model(path: Path) -> Path:
    """A model folder with nothing but a small initial estimate."""
    torch.manual_seed(5)
    BasicVSR(channels=8, num_blocks=1).save_pretrained(path / "initial_estimate")
    return path
