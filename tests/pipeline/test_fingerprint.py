from __future__ import annotations

import json
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.fingerprint import STAGES, Identity, Recipe, canonical_json, content_of, fingerprint
from stages.items import Chunk
from stages.split.config import SplitConfig
from stages.split.stage import SplitStage

leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=12
)


def shuffled(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: shuffled(value[key]) for key in reversed(list(value))}
    return tuple(shuffled(item) for item in value) if isinstance(value, list) else value


@given(values)
def test_order_of_keys_and_kind_of_sequence_do_not_matter(value: Any) -> None:
    assert canonical_json(value) == canonical_json(shuffled(value))


@given(values)
def test_the_text_means_the_value(value: Any) -> None:
    assert json.loads(canonical_json(value)) == value


@given(values, values)
def test_different_values_have_different_texts(first: Any, second: Any) -> None:
    same = json.dumps(first, sort_keys=True) == json.dumps(second, sort_keys=True)
    if same:
        assert canonical_json(first) == canonical_json(second)
    elif canonical_json(first) == canonical_json(second):
        assert first == second  # 4 and 4.0, 0.0 and -0.0


@given(st.text(), st.dictionaries(st.text(), leaves, max_size=3), st.text(), st.lists(st.text(), max_size=3))
def test_every_part_counts(stage: str, parameters: dict[str, Any], weights: str, inputs: list[str]) -> None:
    own = fingerprint(stage, parameters, weights, inputs)
    assert own == fingerprint(stage, dict(reversed(parameters.items())), weights, tuple(inputs))
    others = [
        fingerprint(stage + "x", parameters, weights, inputs),
        fingerprint(stage, {**parameters, "another": 1, "one more": 2}, weights, inputs),
        fingerprint(stage, parameters, weights + "x", inputs),
        fingerprint(stage, parameters, weights, [*inputs, ""]),
    ]
    assert own not in others and len(own) == 64


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_without_a_value_are_refused(value: float) -> None:
    with pytest.raises(ValueError, match=r"value\.a\[1\] is"):
        canonical_json({"a": [1, value]})


@pytest.mark.parametrize("value", [{1: 2}, {"a": b"x"}, {"a": {1, 2}}])
def test_what_json_cannot_hold_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match="value"):
        canonical_json(value)


def recipe(**settings: int) -> Recipe:
    return Recipe({stage: Identity(stage, {"setting": settings.get(stage, 0)}, "") for stage in STAGES})


@pytest.mark.parametrize(("changed", "kept"), [(stage, STAGES[:number]) for number, stage in enumerate(STAGES)])
def test_a_setting_reaches_its_stage_and_all_later_ones(changed: str, kept: tuple[str, ...]) -> None:
    chunk = Chunk("0" * 16, 3, 1, 10, 20, 2, 2)
    before, after = recipe(), recipe(**{changed: 1})
    for first, second in (
        (before.chunk("ab", chunk), after.chunk("ab", chunk)),
        (before.plan("ab", "x"), after.plan("ab", "x")),
    ):
        assert [stage for stage in first if first[stage] == second[stage]] == [s for s in kept if s in first]


def test_neighbours_videos_and_names_have_fingerprints_of_their_own() -> None:
    names = recipe()
    chunks = [Chunk("0" * 16, 0, 0, 0, 10), Chunk("0" * 16, 1, 0, 10, 20), Chunk("0" * 16, 0, 0, 0, 10, 0, 2)]
    prints = [value for chunk in chunks for value in names.chunk("ab", chunk).values()]
    prints += [*names.chunk("cd", chunks[0]).values(), *names.plan("ab", "x").values()]
    assert len(set(prints)) == len(prints)
    assert names.plan("ab", "x")["assemble"] != names.plan("ab", "y")["assemble"]


def test_the_rate_of_image_folders_is_no_matter_of_files() -> None:
    chunk = Chunk("0" * 16, 3, 1, 10, 20, 2, 2)

    def names(rate: int, images: bool) -> list[dict[str, str]]:
        identities = {stage: Identity(stage, {}, "") for stage in STAGES}
        parameters = SplitStage(SplitConfig(sequence_rate=Fraction(rate))).parameters
        found = Recipe({**identities, "split": Identity("split", parameters, "", 3)})
        return [found.chunk(content_of("ab", images), chunk), found.plan(content_of("ab", images), "x")]

    assert names(24, images=False) == names(18, images=False) == names(24, images=True)
    changed = zip(names(24, images=True), names(18, images=True), strict=True)
    assert not [stage for before, after in changed for stage in before if before[stage] == after[stage]]
