"""The training loop: interrupted runs go on as if nothing had happened."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from training.loop import TrainingLoop
from training.recipe import Recipe, load_recipe

RECIPE = Recipe(stage="autoencoder", steps=12, warmup=2, rate=0.05, checkpoint_every=5, terms={"pixel": 1.0})


def network() -> nn.Module:
    torch.manual_seed(7)
    return nn.Linear(4, 1)


def stepper(net: nn.Module):
    def step(number: int, generator: torch.Generator) -> Mapping[str, Tensor]:
        x = torch.randn(8, 4, generator=generator)
        return {"pixel": (net(x) - x.sum(1, keepdim=True)).square().mean()}

    return step


def losses(folder: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (folder / "log.jsonl").read_text().splitlines()]


def whole(folder: Path) -> tuple[TrainingLoop, nn.Module]:
    net = network()
    loop = TrainingLoop(net, RECIPE, folder)
    loop.run(stepper(net))
    return loop, net


def test_two_runs_have_the_same_losses(tmp_path: Path) -> None:
    whole(tmp_path / "a")
    whole(tmp_path / "b")
    assert losses(tmp_path / "a") == losses(tmp_path / "b")
    assert losses(tmp_path / "a")[-1] < losses(tmp_path / "a")[0]


@pytest.mark.parametrize("stop", [1, 5, 7])
def test_a_resumed_run_repeats_the_losses_of_an_unbroken_one(tmp_path: Path, stop: int) -> None:
    unbroken, _ = whole(tmp_path / "unbroken")
    first = network()
    loop = TrainingLoop(first, RECIPE.model_copy(update={"steps": stop}), tmp_path / "broken")
    # The rate follows the recipe's last step, so the stop must come from outside the recipe.
    loop.recipe = RECIPE
    for _ in range(stop):
        loop._one_step(stepper(first))
    loop.checkpoint()
    second = network()
    resumed = TrainingLoop(second, RECIPE, tmp_path / "broken")
    assert resumed.step == stop
    resumed.run(stepper(second))
    assert losses(tmp_path / "broken") == losses(tmp_path / "unbroken")
    for name, value in unbroken.average.items():
        torch.testing.assert_close(resumed.average[name], value, rtol=0, atol=0)


def test_a_slice_ends_by_the_clock_with_a_checkpoint(tmp_path: Path) -> None:
    net = network()
    loop = TrainingLoop(net, RECIPE, tmp_path)
    loop.run(stepper(net), seconds=0.0)
    assert loop.step == 0
    assert (tmp_path / "state.json").exists()


def test_only_the_newest_checkpoint_is_kept(tmp_path: Path) -> None:
    whole(tmp_path)
    assert [file.name for file in tmp_path.glob("state-*.safetensors")] == ["state-12-0.safetensors"]


def test_a_term_that_the_stage_does_not_have_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text("stage: denoiser\nsteps: 1\nterms: {noice: 1.0}\n")
    with pytest.raises(ValueError, match=r"recipe.yaml: .*terms: denoiser has no noice; it has noise") as found:
        load_recipe(path)
    assert "\n" not in str(found.value)
