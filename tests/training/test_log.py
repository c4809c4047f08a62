from __future__ import annotations

import builtins
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from stage_runs import model_folder, recipe
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from training.log import TrainingLog
from training.run import last_losses, train


@pytest.mark.parametrize(
    ("stage", "pictures"),
    [
        ("autoencoder", ["latent alone", "latent and features", "target"]),
        ("denoiser", ["estimate", "restored", "target"]),
        ("decoder", ["estimate", "restored", "target"]),
    ],
)
def test_losses_and_pictures_are_in_tensorboards_files(
    stage: str, pictures: list[str], clips: Path, tmp_path: Path
) -> None:
    chosen = recipe(stage, checkpoint_every=2)
    train(chosen, clips, model_folder(tmp_path / "model"), tmp_path / "checkpoints")
    board = EventAccumulator(str(tmp_path / "checkpoints" / stage / "tensorboard")).Reload()
    assert sorted(board.Tags()["images"]) == pictures
    assert [(image.step, image.width, image.height) for image in board.Images("target")] == [(2, 5 * 48, 48)]
    rows = [json.loads(line) for line in (tmp_path / "checkpoints" / stage / "log.jsonl").read_text().splitlines()]
    assert [event.value for event in board.Scalars("loss")] == pytest.approx([row["loss"] for row in rows])
    assert {*chosen.terms} <= {*board.Tags()["scalars"]}


def test_without_tensorboard_losses_are_written_and_no_pictures_are_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = builtins.__import__

    def refuse(name: str, *given: Any, **more: Any) -> Any:
        if "tensorboard" in name:
            raise ImportError(name)
        return original(name, *given, **more)

    monkeypatch.setattr(builtins, "__import__", refuse)
    log = TrainingLog(tmp_path)
    log.losses(3, {"loss": 0.5})
    log.pictures(3, lambda: {"never": torch.zeros(1) / pytest.fail("made a picture")})
    log.close()
    assert [path.name for path in tmp_path.iterdir()] == ["log.jsonl"]
    assert json.loads((tmp_path / "log.jsonl").read_text()) == {"step": 3, "loss": 0.5}


def test_a_slice_without_a_step_has_no_losses(clips: Path, tmp_path: Path) -> None:
    assert not train(recipe("denoiser"), clips, model_folder(tmp_path / "model"), tmp_path / "checkpoints", seconds=0.0)
    assert last_losses(tmp_path / "checkpoints", "denoiser") == {}
