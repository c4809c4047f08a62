"""A run that lost its collector says why in one line."""

from __future__ import annotations

from ray.exceptions import ActorDiedError, OutOfMemoryError

from pipeline.executors.deaths import why_lost

RAYS_WORDS = """4 worker(s) were killed due to the node running low on memory.
To adjust the kill threshold, set `RAY_memory_usage_threshold`."""


def test_a_machine_short_of_memory_is_said_to_be_that() -> None:
    said = why_lost(OutOfMemoryError(RAYS_WORDS))
    assert said.startswith("the machine of this run was short of memory") and "run again" in said
    assert "\n" not in said and "RAY_" not in said


def test_other_losses_keep_the_end_of_rays_own_words() -> None:
    said = why_lost(ActorDiedError())
    assert said.startswith("Ray's processes here were lost (...") and said.endswith("; run again")
    assert "\n" not in said
