"""Recipes that cannot work are refused before anything is computed."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from training.recipe import load_recipe

RECIPES = sorted((Path(__file__).parents[2] / "training" / "recipes").glob("*.yaml"))
DECODER = {"stage": "decoder", "steps": 1, "terms": {"pixel": 1.0}}
DENOISER = {"stage": "denoiser", "steps": 1, "terms": {"noise": 1.0}}


def refusal(tmp_path: Path, values: object) -> str:
    """What is said of a recipe."""
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(values))
    with pytest.raises(ValueError) as found:
        load_recipe(path)
    said = str(found.value)
    assert said.startswith(f"{path}: not a training recipe: ") and "\n" not in said
    return said.removeprefix(f"{path}: not a training recipe: ")


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_the_shipped_recipes_are_good(path: Path) -> None:
    assert load_recipe(path).stage in path.stem


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"terms": {"noice": 1.0}}, "terms: denoiser has no noice; it has noise"),
        ({"terms": {}}, "terms: none counts; give one of noise a weight above 0"),
        ({"terms": {"noise": 0.0}}, "terms: none counts; give one of noise a weight above 0"),
        ({"terms": {"noise": -1.0}}, "terms.noise: is -1.0; a weight is 0 or more"),
        ({"terms": {"noise": float("inf")}}, "terms.noise: Input should be a finite number"),
        ({"mix": {}}, "mix: no kind of damage is ever drawn; give one of clean, real_world, archive a weight above 0"),
        ({"mix": {"clean": 0}}, "mix: no kind of damage is ever drawn"),
        ({"mix": {"clean": 1.0, "archive": -0.5}}, "mix.archive: is -0.5; a weight is 0 or more"),
        ({"start_levels": [0.6, 0.2]}, "start_levels: are 0.6 and 0.2; give the lower first, both from 0 to 1"),
        ({"start_levels": [0.0, 1.5]}, "start_levels: are 0.0 and 1.5"),
        ({"betas": [0.9, 1.0]}, "betas: are 0.9 and 1.0; each is at least 0 and below 1"),
        (
            {"sampling_start": 0.003, "sampling_steps": 5},
            "sampling_steps: are 5; sampling_start (0.003) leaves room for 4",
        ),
        ({"seed": 2**32}, "seed: Input should be less than 4294967296"),
        ({"step": 3}, "step: Extra inputs are not permitted"),
    ],
)
def test_values_that_cannot_work_are_refused_in_one_line(tmp_path: Path, changes: dict[str, object], told: str) -> None:
    assert refusal(tmp_path, DENOISER | changes).startswith(told)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"terms": {"adversarial": 0.5, "discriminator": 0.1, "consistency": 1.0}},
            "terms.adversarial: is weighed by pixel and perceptual; give one of them a weight above 0",
        ),
        (
            {"terms": {"pixel": 1.0, "adversarial": 0.5}},
            "terms.discriminator: must be above 0 where adversarial counts, or the discriminator learns nothing",
        ),
        ({"terms": {"discriminator": 0.5}}, "terms: none counts; give one of consistency, distribution, "),
        (
            {"terms": {"pixel": 1.0, "motion_distribution": 0.1}, "frames": 1},
            "frames: is 1; motion_distribution compares neighbouring frames and needs 2",
        ),
    ],
)
def test_terms_of_the_decoder_that_need_others_are_refused_without(
    tmp_path: Path, changes: dict[str, object], told: str
) -> None:
    assert refusal(tmp_path, DECODER | changes).startswith(told)


@pytest.mark.parametrize("values", [None, "decoder", [1]])
def test_a_file_that_holds_no_recipe_is_named(tmp_path: Path, values: object) -> None:
    assert refusal(tmp_path, values)
