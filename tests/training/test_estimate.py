"""Fine-tuning of the initial estimate."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import torch
import yaml
from stage_runs import losses, recipe, small_model
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor
from torch.nn import functional

from jobs.train import TrainingStage
from jobs.train import train as command
from models.basicvsr import BasicVSR
from models.folder import ModelFolder
from training.clips import ClipDataset
from training.degradations import Degradation, shrink
from training.estimate import charbonnier, draw_clips, estimate_step, restore, with_cleaning
from training.estimates import EstimateDataset, ensure_estimates
from training.loop import TrainingLoop
from training.recipe import Recipe
from training.run import train

SMALL = {"steps": 4, "cleaning_channels": 8, "cleaning_blocks": 1}


def test_two_runs_and_a_broken_one_have_the_same_losses(prepared: Path, tmp_path: Path) -> None:
    chosen = recipe("estimate", **SMALL)
    for name in ("once", "again"):
        assert train(chosen, prepared, small_model(tmp_path / f"model-{name}"), tmp_path / name)
    assert len(losses(tmp_path / "once", "estimate")) == 4
    assert losses(tmp_path / "once", "estimate") == losses(tmp_path / "again", "estimate")
    model = small_model(tmp_path / "model-broken")
    assert not train(chosen, prepared, model, tmp_path / "broken", seconds=0.0)
    stop_after(2, chosen, prepared, model, tmp_path / "broken")
    assert train(chosen, prepared, model, tmp_path / "broken")
    assert losses(tmp_path / "broken", "estimate") == losses(tmp_path / "once", "estimate")
    made, expected = (ModelFolder(tmp_path / f"model-{name}") for name in ("broken", "once"))
    assert made.digest("initial_estimate") == expected.digest("initial_estimate")


def stop_after(steps: int, chosen: Recipe, prepared: Path, model: Path, checkpoints: Path) -> None:
    """Take some steps and a checkpoint, and leave as if the process had ended there."""
    network = with_cleaning(ModelFolder(model).initial_estimate(), 8, 1)
    loop = TrainingLoop(network, chosen, checkpoints / "estimate")
    step = estimate_step(network, ClipDataset(prepared, chosen.seed, chosen.mix), chosen)
    for _ in range(steps):
        loop._one_step(step)
    loop.checkpoint()


def test_the_trained_folder_loads_cleans_and_has_its_flow_as_it_was(prepared: Path, tmp_path: Path) -> None:
    model = small_model(tmp_path / "model")
    before = ModelFolder(model).initial_estimate()
    train(recipe("estimate", **SMALL), prepared, model, tmp_path / "checkpoints")
    after = ModelFolder(model).initial_estimate()
    assert [path.name for path in model.iterdir()] == ["initial_estimate"]
    assert after.config.cleaning_channels == 8 and after.cleaning is not None
    frames = torch.rand(1, 2, 3, 8, 8)
    assert not torch.equal(after.clean(frames), frames)
    state = after.state_dict()
    same = {name for name, tensor in before.state_dict().items() if torch.equal(tensor, state[name])}
    assert same == {name for name in before.state_dict() if name.startswith("flow_network.")}


class Flickering(BasicVSR):
    """Enlarges, and makes every frame lighter or every other frame darker, by equally much."""

    def __init__(self, amount: float, alternating: bool) -> None:
        super().__init__(channels=8, num_blocks=1)
        self.amount, self.alternating = amount, alternating

    def propagate(self, frames: Tensor) -> Iterator[Tensor]:
        for number in range(frames.shape[1]):
            sign = -1 if self.alternating and number % 2 else 1
            yield functional.interpolate(frames[:, number], scale_factor=4.0) + sign * self.amount


def test_flicker_counts_where_the_recipe_says_so_and_a_steady_error_does_not(prepared: Path) -> None:
    terms = {"pixel": 1.0, "frame_difference": 1.0, "distribution": 0.1, "motion_distribution": 0.1}
    chosen = recipe("estimate", **SMALL, terms=terms, mix={Degradation.clean: 1.0})
    clips = ClipDataset(prepared, chosen.seed, chosen.mix)

    def found(alternating: bool) -> Mapping[str, Tensor]:
        step = estimate_step(Flickering(0.2, alternating), clips, chosen)
        return step(0, torch.Generator().manual_seed(0))

    steady, flickering = found(False), found(True)
    assert set(steady) == {*terms, "cleaning"}
    assert abs(steady["pixel"] - flickering["pixel"]) < 0.05
    assert flickering["frame_difference"] > steady["frame_difference"] + 0.2
    assert flickering["motion_distribution"] == pytest.approx(float(steady["motion_distribution"]), rel=0.05)


def test_a_linked_initial_estimate_is_not_written_to(prepared: Path, tmp_path: Path) -> None:
    shared, model = ModelFolder(small_model(tmp_path / "shared")), tmp_path / "model"
    model.mkdir()
    (model / "initial_estimate").symlink_to(shared.root / "initial_estimate")
    digest = shared.digest("initial_estimate")
    train(recipe("estimate", **SMALL | {"steps": 1}), prepared, model, tmp_path / "checkpoints")
    assert shared.digest("initial_estimate") == digest != ModelFolder(model).digest("initial_estimate")


def test_it_starts_as_what_it_was() -> None:
    torch.manual_seed(0)
    plain = BasicVSR(channels=8, num_blocks=1, num_levels=3).eval()
    network = with_cleaning(plain, 8, 2)
    frames = torch.rand(3, 3, 8, 8)
    with torch.no_grad():
        assert torch.equal(network(frames), plain(frames))
        assert all(torch.equal(*pair) for pair in zip(restore(network, frames[None])[1][0], plain(frames), strict=True))
    assert network.cleaning is not None and plain.cleaning is None
    torch.nn.init.ones_(network.cleaning.output.weight)
    assert torch.equal(with_cleaning(network, 8, 2)(frames), network(frames))
    with pytest.raises(ValueError, match="8 channels and 2 blocks; the recipe wants 16 and 2"):
        with_cleaning(network, 16, 2)


def test_every_clip_is_drawn_before_one_comes_again_and_the_targets_belong_to_them(prepared: Path) -> None:
    chosen = recipe("estimate", batch=2, mix={Degradation.clean: 1.0})
    clips = ClipDataset(prepared, 0, chosen.mix)
    low, target = draw_clips(clips, chosen, 3, torch.Generator().manual_seed(0), torch.device("cpu"))
    assert low.shape == (2, 5, 3, 12, 12) and target.shape == (2, 5, 3, 48, 48)
    assert not torch.equal(low[0], low[1])
    inner = (slice(None), slice(None), slice(2, -2), slice(2, -2))
    for one, wanted in zip(low, target, strict=True):
        torch.testing.assert_close(one[inner], shrink(wanted, (12, 12))[inner], atol=0.004, rtol=0)


def test_charbonnier_is_the_absolute_difference_but_smooth_at_zero() -> None:
    a = torch.tensor([0.5, 0.2], requires_grad=True)
    assert charbonnier(a, torch.tensor([0.1, 0.2])).item() == pytest.approx((0.4 + 0.001) / 2, abs=1e-5)
    charbonnier(a, a.detach()).backward()
    assert a.grad is not None and not a.grad.any()


def test_it_overfits_one_noisy_clip(tmp_path: Path) -> None:
    torch.manual_seed(0)
    smooth = functional.interpolate(torch.rand(1, 3, 5, 6), (48, 60), mode="bicubic").clamp(0, 1)
    target = torch.stack([smooth[..., 2 * index : 2 * index + 48] for index in range(5)], dim=1)
    clean = shrink(target[0], (12, 12))
    low = (clean + 0.1 * torch.randn_like(clean))[None]
    network = with_cleaning(BasicVSR(channels=16, num_blocks=1, num_levels=2), 16, 2)

    def step(number: int, generator: torch.Generator) -> Mapping[str, Tensor]:
        cleaned, restored = restore(network, low)
        return {"pixel": charbonnier(restored, target), "cleaning": charbonnier(cleaned[0], clean)}

    loop = TrainingLoop(network, recipe("estimate", steps=80, rate=4e-3, warmup=5, checkpoint_every=100), tmp_path)
    loop.run(step)
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert rows[-1]["cleaning"] < 0.6 * rows[0]["cleaning"]
    assert rows[-1]["pixel"] < 0.6 * rows[0]["pixel"]


def test_estimates_of_other_weights_are_made_again_and_of_the_same_are_kept(prepared: Path, tmp_path: Path) -> None:
    model, chosen = small_model(tmp_path / "model"), recipe("denoiser", clips=2)
    folder = ensure_estimates(prepared, model, chosen)
    shard = folder / "estimates-00000.safetensors"
    first, made = EstimateDataset(folder)[0], shard.stat().st_mtime_ns
    assert ensure_estimates(prepared, model, chosen) == folder and shard.stat().st_mtime_ns == made
    network = ModelFolder(model).initial_estimate()
    with torch.no_grad():
        network.conv_last.bias += 0.2
    network.save_pretrained(model / "initial_estimate")
    again = EstimateDataset(ensure_estimates(prepared, model, chosen))[0]
    assert torch.equal(again.target, first.target)
    assert (again.estimate - first.estimate).mean() > 0.05
    index = json.loads((folder / "index.json").read_text())
    assert index["clips"] == 2 and index["initial_estimate"] == ModelFolder(model).digest("initial_estimate")
    (folder / "index.json").write_text(json.dumps({"clips": 2}))
    made = shard.stat().st_mtime_ns
    ensure_estimates(prepared, model, chosen)
    assert shard.stat().st_mtime_ns != made


def test_shards_of_an_interrupted_computation_are_kept(prepared: Path, tmp_path: Path) -> None:
    model, chosen = small_model(tmp_path / "model"), recipe("denoiser", clips=2)
    folder = ensure_estimates(prepared, model, chosen)
    shard, index = folder / "estimates-00000.safetensors", folder / "index.json"
    made = shard.stat().st_mtime_ns
    index.write_text(json.dumps(json.loads(index.read_text()) | {"clips": 0}))
    ensure_estimates(prepared, model, chosen)
    assert shard.stat().st_mtime_ns == made and json.loads(index.read_text())["clips"] == 2


def test_the_command_trains_shows_pictures_and_names_a_folder_that_was_not_prepared(
    prepared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, checkpoints = small_model(tmp_path / "model"), tmp_path / "checkpoints"
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe("estimate", **SMALL | {"steps": 1}).model_dump(mode="json")))
    given = {"model": model, "checkpoints": checkpoints, "recipe": path, "device": "cpu"}
    assert command(TrainingStage.estimate, data=prepared, **given) == 0
    assert "estimate: finished" in capsys.readouterr().err
    board = EventAccumulator(str(checkpoints / "estimate" / "tensorboard")).Reload()
    assert sorted(board.Tags()["images"]) == ["cleaned", "damaged", "restored", "target"]
    assert {(image.width, image.height) for image in board.Images("damaged")} == {(5 * 48, 48)}
    assert not list(prepared.glob("estimates-*"))
    assert command(TrainingStage.estimate, data=tmp_path, **given) == 1
    assert "not a prepared folder" in capsys.readouterr().err


def test_half_precision_gives_a_like_loss_and_gradients(prepared: Path) -> None:
    torch.manual_seed(0)
    network = with_cleaning(BasicVSR(channels=8, num_blocks=1, num_levels=3), 8, 1)
    chosen = recipe("estimate")
    step = estimate_step(network, ClipDataset(prepared, 0), chosen)
    whole = step(0, torch.Generator().manual_seed(0))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = step(0, torch.Generator().manual_seed(0))
    half["pixel"].backward()
    assert half["pixel"].item() == pytest.approx(whole["pixel"].item(), rel=0.05)
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters() if p.requires_grad)
