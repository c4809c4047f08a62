"""``reelift train``: what it refuses, and how it stops."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
import yaml
from stage_runs import losses, recipe, small_model
from torch import Tensor
from typer.testing import CliRunner

from jobs.cli import app
from jobs.train import TrainingStage
from jobs.train import train as command
from training.estimate import estimate_step
from training.recipe import Recipe
from training.run import train


def written(path: Path, chosen: Recipe) -> Path:
    """The file of a recipe."""
    path.write_text(yaml.safe_dump(chosen.model_dump(mode="json")))
    return path


def test_a_recipe_of_another_stage_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path / "mine.yaml", recipe("autoencoder"))
    given = {"data": tmp_path, "model": tmp_path / "model", "checkpoints": tmp_path / "checkpoints", "recipe": path}
    assert command(TrainingStage.decoder, **given) == 1
    said = capsys.readouterr().err
    assert (
        said
        == f"error: {path}: stage: is autoencoder, not decoder; give `reelift train autoencoder` or another --recipe\n"
    )
    assert not (tmp_path / "checkpoints").exists()


@pytest.mark.parametrize(
    ("changes", "model", "told"),
    [({"rate": 0.5}, "model", "another recipe (rate: 0.5 there, "), ({}, "other", "another model folder, ")],
)
def test_checkpoints_of_another_training_are_refused_before_estimates_are_computed(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    changes: dict[str, object],
    model: str,
    told: str,
) -> None:
    folder = tmp_path / "checkpoints" / "decoder"
    folder.mkdir(parents=True)
    stored = recipe("decoder", **changes).model_dump(mode="json")
    state = {"step": 2, "files": [], "recipe": stored, "model": [str(tmp_path / "model")]}
    (folder / "state.json").write_text(json.dumps(state))
    path = written(tmp_path / "mine.yaml", recipe("decoder"))
    given = {"data": tmp_path / "nowhere", "checkpoints": tmp_path / "checkpoints", "recipe": path}
    assert command(TrainingStage.decoder, model=tmp_path / model, **given) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"error: {folder} belongs to {told}") and said.count("\n") == 1
    assert "give --checkpoints another folder" in said


@pytest.mark.parametrize(("option", "value"), [("--threads", "-1"), ("--seconds", "-3")])
def test_a_negative_number_is_one_line(tmp_path: Path, option: str, value: str) -> None:
    words = ["train", "decoder", "--data", str(tmp_path), "--model", str(tmp_path), option, value]
    result = CliRunner().invoke(app, words)
    assert result.exit_code != 0 and f"'{option}'" in result.output and "greater than or equal to 0" in result.output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_finishes_the_step_and_the_same_line_goes_on(
    prepared: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    number: signal.Signals,
) -> None:
    chosen = recipe("estimate", steps=4, cleaning_channels=8, cleaning_blocks=1, checkpoint_every=100)
    model = small_model(tmp_path / "model")
    given = {"data": prepared, "model": model, "checkpoints": tmp_path / "checkpoints", "device": "cpu"}
    line = {**given, "recipe": written(tmp_path / "mine.yaml", chosen)}

    def interrupted(*networks: object) -> Callable[[int, torch.Generator], Mapping[str, Tensor]]:
        step = estimate_step(*networks)  # type: ignore[arg-type]

        def signalled(at: int, generator: torch.Generator) -> Mapping[str, Tensor]:
            if at == 1:
                signal.raise_signal(number)
            return step(at, generator)

        return signalled

    monkeypatch.setattr(sys, "argv", ["reelift", "train", "estimate"])
    with monkeypatch.context() as patch:
        patch.setattr("training.run.estimate_step", interrupted)
        assert command(TrainingStage.estimate, **line) == 130
    said = capsys.readouterr().err
    assert said.endswith("Stopped. The same command line goes on from here:\n  reelift train estimate\n")
    assert json.loads((tmp_path / "checkpoints" / "estimate" / "state.json").read_text())["step"] == 2
    assert command(TrainingStage.estimate, **line) == 0
    assert train(chosen, prepared, small_model(tmp_path / "unbroken"), tmp_path / "once")
    assert losses(tmp_path / "checkpoints", "estimate") == losses(tmp_path / "once", "estimate")
