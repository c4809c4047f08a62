"""The three stages of training, two steps each, on a handful of small clips."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from stage_runs import losses, model_folder, recipe

from models.folder import EMBEDDED_FOLDER, ModelFolder
from models.vae import TemporalVAE
from training.decoder import drawn_fusion_weight
from training.run import last_losses, train

STAGES = ("autoencoder", "denoiser", "decoder")
WRITTEN = [("autoencoder", "vae"), ("denoiser", "unet"), ("denoiser", "structure_encoder"), ("decoder", "vae")]


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


def test_the_decoder_does_without_features_or_with_other_shares_of_them_as_often_as_the_recipe_says() -> None:
    def weights(share: float) -> list[float]:
        chosen = recipe("decoder", fusion_drawn=share)
        return [drawn_fusion_weight(chosen, torch.Generator().manual_seed(number)) for number in range(400)]

    assert set(weights(0.0)) == {1.0}
    found = weights(0.4)
    drawn = [weight for weight in found if weight not in (0.0, 1.0)]
    assert 0.54 < found.count(1.0) / 400 < 0.66
    assert 0.15 < found.count(0.0) / 400 < 0.25
    assert 0 < min(drawn) < 0.2 and 1.3 < max(drawn) < 1.5


def test_the_drawn_weight_reaches_the_decoder(clips: Path, tmp_path: Path) -> None:
    for share in (0.0, 1.0):
        train(
            recipe("decoder", fusion_drawn=share),
            clips,
            model_folder(tmp_path / f"model-{share}"),
            tmp_path / str(share),
        )
    assert losses(tmp_path / "0.0", "decoder") != losses(tmp_path / "1.0", "decoder")


@pytest.mark.parametrize(("stage", "part"), WRITTEN)
def test_what_a_linked_part_leads_to_is_not_written_to(stage: str, part: str, clips: Path, tmp_path: Path) -> None:
    model, shared = model_folder(tmp_path / "model"), tmp_path / "shared"
    shared.mkdir()
    (model / part).rename(shared / part)
    (model / part).symlink_to(shared / part)
    stored = {file: file.read_bytes() for file in shared.rglob("*.*")}
    train(recipe(stage), clips, model, tmp_path / "checkpoints", seconds=0.0)
    assert {file: file.read_bytes() for file in shared.rglob("*.*")} == stored
    assert not (model / part).is_symlink() and ModelFolder(model).digest(part)
    assert sorted(path.name for path in model.iterdir()) == ["flow", "structure_encoder", "unet", "vae"]


def test_a_kill_while_a_part_is_written_leaves_the_old_one_and_the_same_line_goes_on(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = model_folder(tmp_path / "model")
    before = ModelFolder(model).digest("vae")

    def killed(vae: TemporalVAE, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        (folder / "diffusion_pytorch_model.safetensors").write_bytes(b"half of it")
        (folder / "of another time").touch()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(TemporalVAE, "save_pretrained", killed)
        train(recipe("decoder"), clips, model, tmp_path / "checkpoints", seconds=0.0)
    assert ModelFolder(model).digest("vae") == before
    train(recipe("decoder"), clips, model, tmp_path / "checkpoints", seconds=0.0)
    assert ModelFolder(model).vae()
    assert sorted(path.name for path in (model / "vae").iterdir()) == [
        "config.json",
        "diffusion_pytorch_model.safetensors",
    ]


def test_a_kill_between_the_old_part_and_the_new_one_loses_neither(clips: Path, tmp_path: Path) -> None:
    model = model_folder(tmp_path / "model")
    before = ModelFolder(model).digest("structure_encoder")
    (model / "vae").rename(model / ".vae.old")
    train(recipe("decoder"), clips, model, tmp_path / "checkpoints", seconds=0.0)
    assert ModelFolder(model).vae() and not (model / ".vae.old").exists()
    assert ModelFolder(model).digest("structure_encoder") == before


def test_the_autoencoder_needs_no_earlier_one(clips: Path, tmp_path: Path) -> None:
    train(recipe("autoencoder"), clips, tmp_path / "model", tmp_path / "checkpoints", seconds=0.0)
    assert ModelFolder(tmp_path / "model").vae()


def test_losses_that_not_all_of_the_last_steps_have_are_left_out(tmp_path: Path) -> None:
    rows = [{"step": 1, "loss": 2.0, "kl": 1.0}, {"step": 2, "loss": 4.0, "noise": 1.0}]
    (tmp_path / "decoder").mkdir()
    (tmp_path / "decoder" / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert last_losses(tmp_path, "decoder") == {"step": 1.5, "loss": 3.0}
