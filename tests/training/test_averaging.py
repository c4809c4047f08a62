from __future__ import annotations

from pathlib import Path

import pytest
import torch
from stage_runs import model_folder

from models.basicvsr import BasicVSR
from models.folder import ModelFolder
from training.averaging import average, main, mean_state
from training.estimate import with_cleaning


def test_the_mean_is_weighted_and_what_only_some_have_is_theirs() -> None:
    first, second = {"a": torch.tensor([1.0])}, {"a": torch.tensor([5.0]), "b": torch.tensor([2.0])}
    assert mean_state([first, second], [3.0, 1.0]) == {"a": torch.tensor([2.0]), "b": torch.tensor([2.0])}


@pytest.mark.parametrize(
    ("shape", "share", "what"),
    [((2,), 1.0, "not the same shape"), ((1,), 0.0, "above 0"), ((1,), float("nan"), "above 0")],
    ids=["shape", "share", "no number"],
)
def test_what_cannot_be_averaged_is_refused(shape: tuple[int, ...], share: float, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        mean_state([{"a": torch.zeros(1)}, {"a": torch.zeros(shape)}], [1.0, share])


def test_a_fine_tuned_folder_and_its_beginning(tmp_path: Path) -> None:
    torch.manual_seed(2)
    plain = BasicVSR(channels=8, num_blocks=1, num_levels=2)
    tuned = with_cleaning(plain, 4, 1)
    with torch.no_grad():
        for weight in tuned.parameters():
            weight.add_(0.25)
    plain.save_pretrained(tmp_path / "plain" / "initial_estimate")
    tuned.save_pretrained(tmp_path / "tuned" / "initial_estimate")
    average(tmp_path / "mean", {tmp_path / "plain": 1.0, tmp_path / "tuned": 3.0})
    mean = ModelFolder(tmp_path / "mean").initial_estimate().state_dict()
    for name, weight in tuned.state_dict().items():
        expected = weight - 0.0625 if name in plain.state_dict() else weight
        assert torch.allclose(mean[name].float(), expected, atol=2e-3), name


def test_networks_of_which_none_holds_all_tensors_have_no_mean(tmp_path: Path) -> None:
    form = {"channels": 8, "num_levels": 2}
    BasicVSR(**form, num_blocks=3).save_pretrained(tmp_path / "deep" / "initial_estimate")
    clean = BasicVSR(**form, num_blocks=1, cleaning_channels=4, cleaning_blocks=1)
    clean.save_pretrained(tmp_path / "clean" / "initial_estimate")
    with pytest.raises(ValueError, match="none of the networks has all tensors of the others"):
        average(tmp_path / "mean", {tmp_path / "deep": 1.0, tmp_path / "clean": 1.0})
    assert not (tmp_path / "mean").exists()


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        (["mine"], "mine: is not FOLDER=SHARE, as my-model=0.5 is"),
        (["mine=half"], "mine=half: is not FOLDER=SHARE, as my-model=0.5 is"),
        (["=0.5"], "=0.5: is not FOLDER=SHARE, as my-model=0.5 is"),
        (["mine=0.5", "mine=0.2"], "mine: is given twice; add its shares up"),
    ],
)
def test_parts_that_say_no_folder_and_share_are_refused_in_one_line(
    parts: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["averaging", "mean", *parts])
    assert main() == 1
    assert capsys.readouterr().err == f"averaging: {said}\n"


def test_a_command_averages_the_autoencoders_and_writes_down_no_folder(tmp_path: Path, monkeypatch) -> None:
    first, second = (model_folder(tmp_path / name) for name in ("first", "second"))
    vae = ModelFolder(second).vae()
    with torch.no_grad():
        vae.last_layer.add_(1.0)
    vae.save_pretrained(second / "vae")
    command = ["averaging", str(tmp_path / "mean"), "--part", "vae", f"{first}=3", f"{second}=1"]
    monkeypatch.setattr("sys.argv", command)
    assert main() == 0
    before, mean = (ModelFolder(folder).vae() for folder in (first, tmp_path / "mean"))
    assert torch.allclose(mean.last_layer, before.last_layer + 0.25, atol=1e-3)
    assert str(tmp_path) not in (tmp_path / "mean" / "vae" / "config.json").read_text()
