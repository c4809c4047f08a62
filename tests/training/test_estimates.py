"""The stored initial estimates: whose they are, how many, and what is done with damaged ones."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from stage_runs import recipe

from models.basicvsr import BasicVSR
from training.clips import ClipDataset
from training.degradations import Degradation
from training.estimates import EstimateDataset, compute_estimates, draw_batch, ensure_estimates, training_clips
from training.recipe import Recipe
from training.run import train

CPU = torch.device("cpu")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model folder with nothing but a small initial estimate."""
    torch.manual_seed(5)
    BasicVSR(channels=8, num_blocks=1).save_pretrained(tmp_path / "model" / "initial_estimate")
    return tmp_path / "model"


def chosen(**changes: object) -> Recipe:
    return recipe("denoiser", **{"clips": 2, "mix": {Degradation.clean: 1.0}, **changes})


def add_footage(prepared: Path) -> None:
    """What ``prepare-data`` leaves when there are more videos than before."""
    index = json.loads((prepared / "index.json").read_text())
    index["shards"].append({"name": "video-0000", "clips": 2, "held_out": [False, False]})
    clips = torch.randint(256, (2, 5, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(7))
    save_file({"clips": clips}, prepared / "video-0000.safetensors")
    (prepared / "index.json").write_text(json.dumps(index))


def copied_to_a_gpu(prepared: Path, folder: Path) -> Path:
    """Only the estimates, without the clips that they were made of."""
    folder.mkdir()
    for estimates in prepared.glob("estimates-*"):
        estimates.rename(folder / estimates.name)
    return folder


def forget(folder: Path, *keys: str) -> None:
    """Make the index one of those that were written before there were these keys."""
    index = json.loads((folder / "index.json").read_text())
    (folder / "index.json").write_text(json.dumps({key: index[key] for key in index if key not in keys}))


def targets(folder: Path) -> list[torch.Tensor]:
    stored = EstimateDataset(folder)
    return [stored[number].target for number in range(len(stored))]


def made(folder: Path) -> int:
    return (folder / "estimates-00000.safetensors").stat().st_mtime_ns


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def test_another_mix_makes_other_estimates(prepared: Path, model: Path) -> None:
    first = load_file(ensure_estimates(prepared, model, chosen()) / "estimates-00000.safetensors")
    folder = ensure_estimates(prepared, model, chosen(mix={Degradation.archive: 1.0}))
    assert not torch.equal(load_file(folder / "estimates-00000.safetensors")["low"], first["low"])
    before = made(folder)
    ensure_estimates(prepared, model, chosen(mix={Degradation.archive: 1.0}))
    assert made(folder) == before


def test_the_order_in_which_a_mix_is_written_changes_nothing(prepared: Path) -> None:
    mix = {Degradation.clean: 0.3, Degradation.real_world: 0.4, Degradation.archive: 0.3}
    there, back = (ClipDataset(prepared, 1, dict(order)) for order in (mix.items(), reversed(mix.items())))
    assert all(torch.equal(there[number][0], back[number][0]) for number in range(4))


def test_footage_that_was_added_is_learned_from(prepared: Path, model: Path) -> None:
    folder = ensure_estimates(prepared, model, chosen(clips=4))
    before = torch.stack(targets(folder))
    add_footage(prepared)
    after = torch.stack(targets(ensure_estimates(prepared, model, chosen(clips=4))))
    assert before.shape == after.shape and not torch.equal(before, after)


def test_a_machine_without_the_prepared_clips_takes_what_was_copied_to_it(
    prepared: Path, model: Path, tmp_path: Path
) -> None:
    before = made(ensure_estimates(prepared, model, chosen()))
    data = copied_to_a_gpu(prepared, tmp_path / "gpu")
    folder = ensure_estimates(data, model, chosen())
    with pytest.raises(ValueError, match=r"are of another mix, and the prepared clips .* are not here"):
        ensure_estimates(data, model, chosen(mix={Degradation.archive: 1.0}))
    with pytest.raises(ValueError, match=r"are of 2 of the 3 clips wanted, and the prepared clips .* are not here"):
        ensure_estimates(data, model, chosen(clips=3))
    forget(folder, "mix", "data")
    assert made(ensure_estimates(data, model, chosen(mix={Degradation.archive: 1.0}))) == before


def test_estimates_that_do_not_say_what_of_are_made_again_where_the_clips_are(prepared: Path, model: Path) -> None:
    folder = ensure_estimates(prepared, model, chosen())
    before = made(folder)
    forget(folder, "mix", "data")
    assert made(ensure_estimates(prepared, model, chosen())) != before


def test_a_recipe_of_fewer_clips_than_are_stored_learns_from_so_many(prepared: Path, model: Path) -> None:
    ensure_estimates(prepared, model, chosen(clips=4))
    folder = ensure_estimates(prepared, model, chosen(clips=3))
    assert len(EstimateDataset(folder)) == 4
    assert len(EstimateDataset(folder, 3)) == 3 and len(EstimateDataset(folder, 9)) == 4


def test_more_clips_than_before_complete_the_short_shard(tmp_path: Path) -> None:
    torch.manual_seed(5)
    network = BasicVSR(channels=8, num_blocks=1)
    generator = torch.Generator().manual_seed(0)
    clips = [(torch.rand(2, 3, 8, 8, generator=generator), torch.full((2, 3, 32, 32), n / 255)) for n in range(20)]
    for count in (6, 11, 11, 5):
        assert compute_estimates(network, clips, tmp_path, shard=4, count=count) == count
        stored = [round(float(target.mean()) * 255) for target in targets(tmp_path)]
        assert stored == list(range(max(count, len(stored)))) and len(stored) == (6 if count == 6 else 11)


def test_a_clip_that_comes_again_is_damaged_otherwise(prepared: Path) -> None:
    whole = chosen(side=64, mix={Degradation.real_world: 1.0})
    low = [low for low, _ in itertools.islice(training_clips(prepared, whole), 4)]
    assert not torch.equal(low[0], low[2]) and not torch.equal(low[1], low[3])


@pytest.mark.parametrize("wanted", [{"side": 80}, {"frames": 6}])
def test_clips_that_are_too_small_or_too_short_for_the_recipe_are_refused_at_once(
    wanted: dict[str, int], prepared: Path, model: Path, tmp_path: Path
) -> None:
    side, frames = wanted.get("side", 48), wanted.get("frames", 5)
    message = rf"clips of 64x64 with 5 frames, the recipe wants side: {side}, frames: {frames}; .* --size"
    with pytest.raises(ValueError, match=message):
        ensure_estimates(prepared, model, chosen(**wanted))
    assert not list(prepared.glob("estimates-*"))
    with pytest.raises(ValueError, match=message):
        train(recipe("estimate", **wanted), prepared, model, tmp_path / "checkpoints")


def test_damaged_files_are_named(prepared: Path, model: Path, tmp_path: Path) -> None:
    folder = ensure_estimates(prepared, model, chosen())
    clips, estimates = ClipDataset(prepared, 0), EstimateDataset(folder)
    cut_short(prepared / "photo-0000.safetensors")
    with pytest.raises(ValueError, match=r"photo-0000\.safetensors: damaged or not complete .* copy it again"):
        clips[0]
    data = copied_to_a_gpu(prepared, tmp_path / "gpu")
    cut_short(data / folder.name / "estimates-00000.safetensors")
    with pytest.raises(ValueError, match=r"estimates-00000\.safetensors: damaged or not complete"):
        ensure_estimates(data, model, chosen())
    with pytest.raises(ValueError, match=r"estimates-00000\.safetensors: damaged or not complete"):
        EstimateDataset(data / folder.name)
    (data / folder.name).rename(folder)
    with pytest.raises(ValueError, match=r"estimates-00000\.safetensors: damaged or not complete"):
        estimates[0]


def test_damaged_and_missing_estimates_are_made_again_where_the_clips_are(prepared: Path, model: Path) -> None:
    folder = ensure_estimates(prepared, model, chosen())
    shard = folder / "estimates-00000.safetensors"
    good = shard.read_bytes()
    cut_short(shard)
    ensure_estimates(prepared, model, chosen())
    assert shard.read_bytes() == good
    shard.unlink()
    ensure_estimates(prepared, model, chosen())
    assert shard.read_bytes() == good


def test_what_no_stage_looks_at_is_not_drawn(clips: Path) -> None:
    shard = clips / "estimates-00000.safetensors"
    parts = load_file(shard)
    del parts["low"]
    save_file(parts, shard)
    batch = draw_batch(EstimateDataset(clips), chosen(batch=2), torch.Generator().manual_seed(0), CPU)
    assert batch.estimate.shape == batch.target.shape == (10, 3, 48, 48)
