"""The decoder's teacher of texture: its pictures, who makes them, and what is learned from them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from stage_runs import model_folder, recipe, small_model

from training import real_esrgan
from training.estimates import EstimateDataset, draw_batch, ensure_estimates
from training.real_esrgan import Rgb
from training.run import train
from training.teacher import ensure_teacher, teacher_file

TERMS = {"pixel": 0.5, "teacher": 0.5}


def bright(frame: Rgb) -> Rgb:
    """A teacher that is easily told from the estimate: every pixel four times, and brighter."""
    return np.clip(frame.repeat(4, 0).repeat(4, 1) + 0.25, 0, 1)


def forbidden(frame: Rgb) -> Rgb:
    raise AssertionError("there was nothing to make")


def taught(clips: Path) -> Path:
    """The file of the teacher's pictures, made."""
    shard = clips / "estimates-00000.safetensors"
    ensure_teacher([shard], bright)
    return teacher_file(shard)


def test_it_paints_what_the_estimate_shows_at_the_size_of_the_input(clips: Path) -> None:
    pictures = load_file(taught(clips))["teacher"].float() / 255
    estimate = load_file(clips / "estimates-00000.safetensors")["estimate"].float() / 255
    assert pictures.shape == estimate.shape
    blocks = pictures.unflatten(-1, (12, 4)).unflatten(-3, (12, 4))
    assert torch.equal(blocks.amax((-3, -1)), blocks.amin((-3, -1)))
    assert abs((pictures - estimate).mean() - 0.25) < 0.03


def test_whole_files_are_left_alone_and_damaged_ones_made_again(clips: Path) -> None:
    path, shards = taught(clips), [clips / "estimates-00000.safetensors"]
    whole = path.read_bytes()
    ensure_teacher(shards, forbidden)
    path.write_bytes(whole[:-100])
    ensure_teacher(shards, bright)
    assert path.read_bytes() == whole


def test_where_it_is_not_installed_one_line_says_what_to_do(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(real_esrgan, "PACKAGE", "no_such_package")
    model = small_model(tmp_path / "model")
    wanted = recipe("decoder", clips=1, terms=TERMS)
    with pytest.raises(ValueError, match=r"teacher-00000.safetensors: is not there, .*pip install.* or copy the file"):
        ensure_estimates(prepared, model, wanted)
    folder = ensure_estimates(prepared, model, recipe("decoder", clips=1, terms={"pixel": 1.0}))
    taught(folder)
    assert ensure_estimates(prepared, model, wanted) == folder


def test_its_pictures_are_mirrored_and_turned_with_the_estimates(clips: Path) -> None:
    shards = [clips / "estimates-00000.safetensors"]
    ensure_teacher(shards, bright)
    chosen = recipe("decoder", terms=TERMS, batch=4)
    clip = draw_batch(
        EstimateDataset(clips, taught=True), chosen, torch.Generator().manual_seed(3), torch.device("cpu")
    )
    assert clip.teacher is not None and clip.teacher.shape == clip.estimate.shape
    coarse = [torch.nn.functional.avg_pool2d(frames, 4) for frames in (clip.estimate, clip.teacher - 0.25)]
    dark = coarse[1] < 0.7  # brighter ones are clipped
    assert (coarse[0] - coarse[1])[dark].abs().mean() < 0.03
    # A clip of the batch that had stayed as it was would be as far off as one clip is from another.
    assert (coarse[0] - coarse[1].flip(-1))[dark].abs().mean() > 0.05


def test_the_decoder_comes_nearer_to_it(clips: Path, tmp_path: Path) -> None:
    taught(clips)
    model, checkpoints = model_folder(tmp_path / "model"), tmp_path / "checkpoints"
    chosen = recipe("decoder", terms={"teacher": 1.0}, steps=25, warmup=1, rate=3e-3)
    assert train(chosen, clips, model, checkpoints)
    rows = [json.loads(line)["teacher"] for line in (checkpoints / "decoder/log.jsonl").read_text().splitlines()]
    assert sum(rows[-5:]) < 0.7 * sum(rows[:5])


@pytest.mark.skipif(real_esrgan.missing() is not None, reason="Real-ESRGAN is an optional package")
def test_the_real_one_draws_at_four_times_the_size() -> None:
    frame = np.zeros((24, 16, 3), np.float32)
    frame[:, 8:] = 0.8
    drawn = real_esrgan.load(real_esrgan.X4PLUS)(frame)
    assert drawn.shape == (96, 64, 3) and drawn[:, :24].mean() < 0.05 and abs(drawn[:, 40:].mean() - 0.8) < 0.05
