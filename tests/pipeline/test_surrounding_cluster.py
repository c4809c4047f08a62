from __future__ import annotations

import pytest

from pipeline.executors.on_ray import surrounding_cluster

ADDRESS, SUBMITTED = "RAY_ADDRESS", "RAY_JOB_CONFIG_JSON_ENV_VAR"


@pytest.mark.parametrize(
    ("surroundings", "expected"),
    [
        ({}, None),
        ({ADDRESS: "10.0.0.1:6379"}, "10.0.0.1:6379"),
        ({ADDRESS: "10.0.0.1:6379", SUBMITTED: "{}"}, "10.0.0.1:6379"),
        ({ADDRESS: "http://10.0.0.1:8265"}, "auto"),
        ({SUBMITTED: "{}"}, "auto"),
    ],
)
def test_a_named_cluster_is_taken_and_not_the_one_started_last(
    monkeypatch: pytest.MonkeyPatch, surroundings: dict[str, str], expected: str | None
) -> None:
    for name in (ADDRESS, SUBMITTED):
        monkeypatch.delenv(name, raising=False)
    for name, value in surroundings.items():
        monkeypatch.setenv(name, value)
    assert surrounding_cluster() == expected
