"""The training loop: interrupted runs go on as if nothing had happened."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor, nn

from training.loop import TrainingLoop
from training.recipe import Recipe
from training.run import PRECISIONS

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


def started(folder: Path, steps: int = 5, more: int = 0) -> None:
    """Take steps and a checkpoint, then more steps, and leave as if the process had been killed there."""
    net = network()
    loop = TrainingLoop(net, RECIPE, folder, model=Path("my-model"))
    for _ in range(steps):
        loop._one_step(stepper(net))
    if steps:
        loop.checkpoint()
    for _ in range(more):
        loop._one_step(stepper(net))
    loop.log.close()


def test_checkpoints_of_another_recipe_are_refused_and_left_as_they_are(tmp_path: Path) -> None:
    started(tmp_path, more=1)
    before = {file: file.read_bytes() for file in tmp_path.glob("*.*")}
    other = RECIPE.model_copy(update={"rate": 0.01, "steps": 3})
    with pytest.raises(ValueError, match=r"belongs to another recipe \(rate: 0.05 there, 0.01 here\)") as found:
        TrainingLoop(network(), other, tmp_path)
    assert str(tmp_path) in str(found.value) and "give --checkpoints another folder" in str(found.value)
    assert "\n" not in str(found.value)
    assert {file: file.read_bytes() for file in tmp_path.glob("*.*")} == before


@pytest.mark.parametrize("change", [{"steps": 30}, {"checkpoint_every": 1}, {"precision": "bfloat16"}])
def test_what_does_not_make_another_recipe_may_change(tmp_path: Path, change: dict[str, object]) -> None:
    started(tmp_path)
    assert TrainingLoop(network(), RECIPE.model_copy(update=change), tmp_path).step == 5


def test_a_key_that_came_later_counts_with_its_default(tmp_path: Path) -> None:
    started(tmp_path)
    state = json.loads((tmp_path / "state.json").read_text())
    del state["recipe"]["fusion_drawn"], state["model"]
    (tmp_path / "state.json").write_text(json.dumps(state))
    assert TrainingLoop(network(), RECIPE, tmp_path, model=Path("other-model")).step == 5


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (nn.Linear(5, 1), r"weight: \[1, 4\] there, \[1, 5\] here"),
        (nn.Linear(4, 1, bias=False), r"bias: \[1\] there, not here"),
        (nn.ModuleDict({"more": nn.Linear(4, 1)}), r"more.weight: not there, \[1, 4\] here"),
    ],
)
def test_checkpoints_of_another_network_are_refused(tmp_path: Path, other: nn.Module, told: str) -> None:
    started(tmp_path)
    with pytest.raises(ValueError, match=rf"belongs to another network \({told}\); give --checkpoints") as found:
        TrainingLoop(other, RECIPE, tmp_path)
    assert "\n" not in str(found.value)


def test_checkpoints_of_another_model_folder_are_refused(tmp_path: Path) -> None:
    started(tmp_path)
    with pytest.raises(ValueError, match="belongs to another model folder, my-model; give --checkpoints"):
        TrainingLoop(network(), RECIPE, tmp_path, model=Path("other-model"))
    for same in (Path("my-model"), Path("my-model").resolve()):
        assert TrainingLoop(network(), RECIPE, tmp_path, model=same).step == 5


@pytest.mark.parametrize("name", ["state.json", "state-5-0.safetensors"])
def test_a_checkpoint_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    started(tmp_path)
    (tmp_path / name).write_text("{")
    with pytest.raises(ValueError, match=rf"{name}: cannot be read") as found:
        TrainingLoop(network(), RECIPE, tmp_path)
    assert "\n" not in str(found.value)


@pytest.mark.parametrize("steps", [0, 5])
def test_steps_after_the_last_checkpoint_are_logged_once(tmp_path: Path, steps: int) -> None:
    started(tmp_path, steps, more=2)
    with (tmp_path / "log.jsonl").open("a") as log:
        log.write('{"step": 8, "lo')  # killed while it was written
    net = network()
    TrainingLoop(net, RECIPE, tmp_path).run(stepper(net))
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == list(range(1, 13))
    board = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [event.step for event in board.Scalars("loss")] == list(range(1, 13))


def test_a_run_that_is_asked_to_stop_finishes_its_step_and_ends_on_a_checkpoint(tmp_path: Path) -> None:
    net = network()
    loop = TrainingLoop(net, RECIPE, tmp_path)
    loop.run(stepper(net), stop=lambda: loop.step >= 3)
    assert not loop.finished and len(losses(tmp_path)) == 3
    assert TrainingLoop(network(), RECIPE, tmp_path).step == 3


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_a_step_that_cannot_be_taken_ends_the_training_before_it_spoils_the_weights(
    tmp_path: Path, wrong: float
) -> None:
    net = network()
    good = stepper(net)

    def spoilt(number: int, generator: torch.Generator) -> Mapping[str, Tensor]:
        terms = good(number, generator)
        return terms if number < 6 else {name: value * wrong for name, value in terms.items()}

    loop = TrainingLoop(net, RECIPE, tmp_path)
    with pytest.raises(ValueError, match=r"step 7: pixel is not finite; .* kept; lower rate") as found:
        loop.run(spoilt)
    assert "\n" not in str(found.value) and str(tmp_path) in str(found.value)
    assert all(weight.isfinite().all() for weight in [*net.parameters(), *loop.average.values()])
    assert len(losses(tmp_path)) == 6 and TrainingLoop(network(), RECIPE, tmp_path).step == 5


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_convolutions_are_computed_in_the_precision_of_the_recipe(
    tmp_path: Path, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AcceleratorState, "_shared_state", {})  # a process has one precision
    net = nn.Sequential(nn.Conv2d(64, 64, 3, padding=1), nn.Conv2d(64, 64, 3, padding=1))
    seen = []
    net[0].register_forward_hook(lambda module, given, made: seen.append(made.dtype))

    def step(number: int, generator: torch.Generator) -> Mapping[str, Tensor]:
        return {"pixel": net(torch.randn(1, 64, 40, 40, generator=generator)).float().square().mean()}

    recipe = RECIPE.model_copy(update={"precision": precision, "steps": 1})
    accelerator = Accelerator(cpu=True, mixed_precision=PRECISIONS[precision])
    TrainingLoop(net, recipe, tmp_path, accelerator).run(step)
    assert seen == [getattr(torch, precision)]
