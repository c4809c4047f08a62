"""The decoder's training with every term of the sequence-oriented loss."""

from __future__ import annotations

import json
from pathlib import Path

from stage_runs import losses, model_folder, recipe
from torch import Tensor

from models.folder import ModelFolder
from training.run import train

TERMS = {
    "pixel": 1.0,
    "pyramid": 1.0,
    "distribution": 0.1,
    "motion_distribution": 0.1,
    "perceptual": 0.5,
    "frame_difference": 0.5,
    "consistency": 0.05,
    "adversarial": 0.025,
    "discriminator": 0.01,
}


def trained(clips: Path, folder: Path, **changes: object) -> Path:
    model = model_folder(folder / "model")
    changes = {"terms": TERMS, "adversarial_start": 1, "discriminator_channels": 4, **changes}
    assert train(recipe("decoder", **changes), clips, model, folder / "checkpoints")
    return model


def rows(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "checkpoints/decoder/log.jsonl").read_text().splitlines()]


def decoder_of(model: Path) -> dict[str, Tensor]:
    return {name: value for name, value in ModelFolder(model).vae().state_dict().items() if name.startswith("decoder")}


def test_every_term_is_logged_and_the_discriminator_comes_in_when_it_should(clips: Path, tmp_path: Path) -> None:
    trained(clips, tmp_path)
    first, second = rows(tmp_path)
    assert {*TERMS} - {*first} == {"adversarial", "discriminator"} and not {*TERMS} - {*second}
    assert all(first[name] > 0 for name in {*TERMS} - {"adversarial", "discriminator"})


def test_the_discriminator_learns_and_does_not_reach_the_decoder(clips: Path, tmp_path: Path) -> None:
    free = {**TERMS, "adversarial": 1e-12}
    alone = {name: weight for name, weight in TERMS.items() if name not in ("adversarial", "discriminator")}
    models = [
        trained(clips, tmp_path / "judged", terms=free, steps=3),
        trained(clips, tmp_path / "alone", terms=alone, steps=3),
    ]
    judged, other = (decoder_of(model) for model in models)
    moved = decoder_of(model_folder(tmp_path / "before"))
    largest = max((judged[name] - moved[name]).abs().max() for name in moved)
    assert max((judged[name] - other[name]).abs().max() for name in moved) < 0.01 * largest
    found = [row["discriminator"] for row in rows(tmp_path / "judged")[1:]]
    assert found[0] != found[1]


def test_training_with_a_discriminator_resumes_to_the_same_losses(clips: Path, tmp_path: Path) -> None:
    trained(clips, tmp_path / "once", steps=3)
    whole = recipe("decoder", terms=TERMS, adversarial_start=1, discriminator_channels=4, steps=3)
    model = model_folder(tmp_path / "broken" / "model")
    slices = 1
    while not train(whole, clips, model, tmp_path / "broken" / "checkpoints", seconds=0.01):
        slices += 1
    assert slices == 3
    assert losses(tmp_path / "broken" / "checkpoints", "decoder") == losses(
        tmp_path / "once" / "checkpoints", "decoder"
    )
