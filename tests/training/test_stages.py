"""The three stages of training, two steps each, on a handful of small clips."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from models.folder import EMBEDDED_FOLDER, ModelFolder
from training.recipe import Recipe, load_recipe
from training.run import train

RECIPES = Path(__file__).parents[2] / "training" / "recipes"
STAGES = ("autoencoder", "denoiser", "decoder")


def recipe(stage: str, **changes: object) -> Recipe:
    """The shipped recipe of a stage, on clips of 48x48, two steps."""
    shipped = load_recipe(RECIPES / f"{stage}.yaml")
    return shipped.model_copy(update={"side": 48, "steps": 2, "batch": 1, "checkpoint_every": 1, **changes})


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """Two clips whose estimate is the target a little blurred."""
    generator = torch.Generator().manual_seed(0)
    target = torch.rand(2, 5, 3, 12, 12, generator=generator).repeat_interleave(4, 3).repeat_interleave(4, 4)
    estimate = torch.nn.functional.avg_pool3d(target, (1, 3, 3), 1, (0, 1, 1))
    parts = {"low": target[..., ::4, ::4], "estimate": estimate, "target": target}
    folder = tmp_path / "clips"
    folder.mkdir()
    save_file(
        {name: (frames * 255).round().to(torch.uint8).contiguous() for name, frames in parts.items()},
        folder / "estimates-00000.safetensors",
    )
    return folder


def losses(checkpoints: Path, stage: str) -> list[float]:
    return [json.loads(line)["loss"] for line in (checkpoints / stage / "log.jsonl").read_text().splitlines()]


def model_folder(path: Path) -> Path:
    """A copy of the shipped networks: each stage reads those before it."""
    for part in ("vae", "unet", "structure_encoder", "flow"):
        shutil.copytree(EMBEDDED_FOLDER / part, path / part)
    return path


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_trains_repeats_itself_and_resumes(stage: str, clips: Path, tmp_path: Path) -> None:
    for name in ("once", "again"):
        assert train(recipe(stage), clips, model_folder(tmp_path / f"model-{name}"), tmp_path / name)
    assert losses(tmp_path / "once", stage) == losses(tmp_path / "again", stage)
    broken = model_folder(tmp_path / "model-broken")
    assert not train(recipe(stage), clips, broken, tmp_path / "broken", seconds=0.0)
    assert train(recipe(stage), clips, broken, tmp_path / "broken")
    assert losses(tmp_path / "broken", stage) == losses(tmp_path / "once", stage)


@pytest.mark.parametrize("stage", STAGES)
def test_the_trained_folder_loads(stage: str, clips: Path, tmp_path: Path) -> None:
    model = model_folder(tmp_path / "model")
    train(recipe(stage), clips, model, tmp_path / "checkpoints")
    changed = {"autoencoder": "vae", "denoiser": "unet", "decoder": "vae"}[stage]
    before, after = ModelFolder(EMBEDDED_FOLDER), ModelFolder(model)
    assert after.digest(changed) != before.digest(changed)
    assert after.vae().config.latent_channels == before.vae().config.latent_channels
    after.unet()


def test_the_latent_alone_is_trained_as_often_as_the_recipe_says(clips: Path, tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "model")
    both = [
        train(recipe("autoencoder", latent_alone=share), clips, folder, tmp_path / str(share)) for share in (0.0, 1.0)
    ]
    assert all(both)
    assert losses(tmp_path / "0.0", "autoencoder") != losses(tmp_path / "1.0", "autoencoder")
