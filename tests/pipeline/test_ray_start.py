"""Starting Ray on a machine that is busy with other work."""

from __future__ import annotations

import pytest
import ray

from pipeline.executors.on_ray import STARTS, RayExecutor
from pipeline.storage import StorageError

SLOW = "The current node timed out during startup. This could happen because the GCS has become overloaded."


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch) -> list[Exception | None]:
    """What the next starts of Ray end with, first the last one; None is well."""
    outcomes: list[Exception | None] = []

    def init(**_: object) -> None:
        if (error := outcomes.pop()) is not None:
            raise error

    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(ray, "init", init)
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    return outcomes


def test_a_cluster_of_its_own_is_started_again_where_the_machine_was_too_slow(
    starts: list[Exception | None], caplog: pytest.LogCaptureFixture
) -> None:
    starts += [None, Exception(SLOW)]
    RayExecutor()._connect()
    assert not starts
    assert caplog.messages == ["Ray did not start in time on this machine; starting it again"]


@pytest.mark.parametrize(
    ("address", "message", "tried"), [(None, SLOW, STARTS), (None, "no disk", 1), ("10.0.0.1:6379", SLOW, 1)]
)
def test_it_is_not_tried_for_ever_nor_where_something_else_is_wrong(
    starts: list[Exception | None], address: str | None, message: str, tried: int
) -> None:
    starts += [Exception(message)] * STARTS
    with pytest.raises(StorageError, match=message[:12]):
        RayExecutor(address=address)._connect()
    assert len(starts) == STARTS - tried
